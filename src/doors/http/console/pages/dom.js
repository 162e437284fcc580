/**
 * Building and changing elements, and writing figures. What a caller stored or named reaches the page as text and in
 * no other way: there is no function here that takes markup.
 */

/** The element with this id, which is in the page. */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/** A new element with properties, and children that are elements or text. */
export function create(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Leaves the page alone where the text is there already, so that a selection or a screen reader is not disturbed. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows names with their facts; those without a fact (undefined) are left out. */
export function setFacts(list, facts) {
  const told = Object.entries(facts).filter(([, fact]) => fact !== undefined);
  const names = told.map(([name]) => name).join('\n');
  if (list.dataset.names !== names) {
    list.dataset.names = names;
    list.replaceChildren(
      ...told.map(([name]) => create('div', {}, create('dt', { textContent: name }), create('dd'))),
    );
  }
  told.forEach(([, fact], index) => setText(list.children[index].lastElementChild, fact));
}

const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const FINE = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

/** `1,234`, `12.3`, `0.0123` */
export function figure(number) {
  return (Math.abs(number) >= 100 ? WHOLE : FINE).format(number);
}

/** `1 shard`, `3 shards` */
export function counted(number, noun) {
  return `${figure(number)} ${noun}${number === 1 ? '' : 's'}`;
}

/** `512 bytes`, `1.5 KiB` */
export function byteCount(bytes) {
  if (bytes < 1024) return counted(bytes, 'byte');
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), units.length);
  return `${figure(bytes / 1024 ** power)} ${units[power - 1]}`;
}

export function milliseconds(ms) {
  return `${figure(ms)} ms`;
}

/** `4:05`, `1:04:05`; never below zero. */
export function countdown(seconds) {
  const left = Math.max(0, Math.ceil(seconds));
  const parts = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
  const shown = parts[0] > 0 ? parts : parts.slice(1);
  return shown.map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
}

/** `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h` */
export function age(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Text of a caller's, short enough for a line. */
export function brief(text, lengthMax = 80) {
  return text.length <= lengthMax ? text : `${cut(text, lengthMax)}…`;
}

/** The beginning of a text; no character that takes two units is cut in two. */
export function cut(text, lengthMax) {
  const last = text.charCodeAt(lengthMax - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? lengthMax - 1 : lengthMax);
}
