/** The ring's section: which shard has how much of it, and where the key in the form above falls. */
import { call, SessionEnded, Trouble } from './api.js';
import { brief, byId, countdown, counted, create, figure, setFacts, setText } from './dom.js';
import { colourOf, drawRing, pointAt, stretchesOf } from './ring-drawing.js';

/** After the last keystroke. */
const TYPING_PAUSE_MS = 250;
/** A ring changes when an operator changes it, or a cluster moves its slots. */
const RING_EVERY_MS = 30_000;
const RING_AGAIN_MS = 5000;
const NOT_YET = '…';

let ring;
/** The text of the last answer: the same one is not drawn again. */
let drawn;
/** By the shard's index. */
let paths = new Map();
let isLoading = false;
let dueMs = 0;
/** The key that is shown. */
let located = '';
/** What is known of it; undefined: nothing yet. */
let placed;
let isLocating = false;
let timer;
let asked = 0;
let isOpen = false;

/** Follows what is typed. */
export function openRing() {
  byId('key').addEventListener('input', () => {
    clearTimeout(timer);
    if (!isOpen) return;
    // What is on its way is about another key.
    asked++;
    isLocating = false;
    forget(byId('key').value);
    showLocation();
    timer = setTimeout(() => void locateKey(), TYPING_PAUSE_MS);
  });
}

/**
 * Asks again for the ring if it is due, or `isNew`, and for where the key is, since nodes come and go and values end.
 * It waits for neither: the rest of the page does not need them.
 */
export function refreshRing(isNew) {
  isOpen = true;
  if (isNew) dueMs = 0;
  if (!isLoading && performance.now() >= dueMs) void loadRing();
  if (!isLocating) void locateKey();
}

async function loadRing() {
  isLoading = true;
  dueMs = performance.now() + RING_EVERY_MS;
  try {
    const { body } = await call('ring');
    showRing(body);
  } catch (trouble) {
    if (trouble instanceof SessionEnded) return;
    if (!(trouble instanceof Trouble)) reportError(trouble);
    dueMs = performance.now() + RING_AGAIN_MS;
    setText(byId('ring-note'), `The ring could not be asked for: ${trouble.message}`);
  } finally {
    isLoading = false;
  }
}

function showRing(body) {
  const hasRing = body.size !== null && body.arcs.length > 0;
  setText(byId('ring-note'), hasRing ? '' : 'There is no ring here: one process keeps all keys.');
  const text = JSON.stringify(body);
  if (text === drawn) return;
  drawn = text;
  ring = body;
  byId('ring-body').hidden = !hasRing;
  if (!hasRing) return;
  const colours = coloursOf(body.shards);
  paths = drawRing(byId('ring-svg'), body, colours);
  fillLegend(colours);
  showLocation();
}

/** Marks where the key in the form falls; nothing happens while the ring is not open. */
export async function locateKey() {
  if (!isOpen) return;
  const key = byId('key').value;
  if (key !== located) forget(key);
  const number = ++asked;
  isLocating = true;
  const found = await lookUp(key).catch((trouble) => ({ trouble }));
  if (number !== asked) return;
  isLocating = false;
  if (found?.trouble instanceof SessionEnded) return;
  if (found?.trouble !== undefined && !(found.trouble instanceof Trouble)) reportError(found.trouble);
  // Only what is new is read out: the rest of a life would be, each second.
  byId('ring-facts').ariaLive = placed === undefined ? 'polite' : 'off';
  placed = found;
  showLocation();
}

function forget(key) {
  located = key;
  placed = undefined;
  byId('ring-facts').ariaLive = 'off';
}

/** `note` says why there is nothing. */
export function clearRing(note) {
  clearTimeout(timer);
  asked++;
  isOpen = isLocating = false;
  ring = drawn = undefined;
  paths = new Map();
  forget('');
  byId('ring-body').hidden = true;
  setText(byId('ring-note'), note);
  setFacts(byId('ring-facts'), {});
}

async function lookUp(key) {
  if (key === '') return undefined;
  // A URL cannot hold them: they mean the folder itself, and the one above.
  if (key === '.' || key === '..') return { note: 'This key cannot be asked for in a URL.' };
  if (!key.isWellFormed()) return { note: 'This key is not well-formed text.' };
  return (await call(`ring/${encodeURIComponent(key)}`)).body;
}

function showLocation() {
  const { trouble, note = trouble?.message, hash = null, shard, node, near, exists, ttl } = placed ?? {};
  const isKnown = placed !== undefined && note === undefined;
  const Key = brief(located);
  if (located === '') setFacts(byId('ring-facts'), {});
  else if (note !== undefined) setFacts(byId('ring-facts'), { Key, 'Not located': note });
  else {
    setFacts(byId('ring-facts'), {
      Key,
      Shard: isKnown ? brief(shard) : NOT_YET,
      'Read from': isKnown ? (node ?? 'nowhere now') : NOT_YET,
      Stored: isKnown ? storedAs(exists, ttl) : NOT_YET,
      'Near cache': isKnown ? (near ? 'yes' : 'no') : NOT_YET,
    });
  }
  if (!ring?.size) return;
  const shards = counted(ring.shards.length, 'shard');
  const own = isKnown && hash !== null ? paths.get(ring.shards.indexOf(shard)) : undefined;
  for (const path of paths.values()) path.classList.toggle('dim', own !== undefined && path !== own);
  if (isKnown && hash !== null) {
    const spoken = `The ring of ${shards}; the key falls on ${shard}, at point ${hash}`;
    pointAt(byId('ring-svg'), hash / ring.size, [brief(shard, 16), figure(hash)], spoken);
  } else {
    pointAt(byId('ring-svg'), undefined, [shards, `${figure(ring.size)} points`], `The ring of ${shards}`);
  }
}

function storedAs(exists, ttl) {
  if (!exists) return 'no';
  return ttl === null ? 'yes, without end' : `yes, ends in ${countdown(ttl)}`;
}

/** In the order of their names, so that a shard keeps its colour while others come and go behind it. */
function coloursOf(names) {
  const order = [...names.keys()].sort((a, b) => names[a].localeCompare(names[b], 'en', { numeric: true }));
  return new Map([...order.map((shard, index) => [shard, colourOf(index)]), [-1, 'var(--line)']]);
}

/** A group of radio buttons is one stop for the Tab key, and the arrows go through it. */
function fillLegend(colours) {
  const shares = sharesOf(ring);
  const rows = [...colours.keys()]
    .filter((shard) => shares.has(shard))
    .map((shard) => {
      const name = shard === -1 ? 'nobody' : brief(ring.shards[shard], 40);
      return legendRow(String(shard), name, `${figure(shares.get(shard) * 100)} %`, colours.get(shard));
    });
  byId('ring-legend').replaceChildren(legendRow('', 'All', '', 'transparent'), ...rows);
  byId('ring-legend').querySelector('input').checked = true;
  byId('ring-legend').onchange = ({ target }) => {
    for (const [shard, path] of paths) {
      path.classList.toggle('faint', target.value !== '' && target.value !== String(shard));
    }
  };
}

function legendRow(value, name, share, colour) {
  const swatch = create('span', { className: 'swatch' });
  swatch.style.background = colour;
  return create(
    'label',
    { className: 'legend-row' },
    create('input', { type: 'radio', name: 'shard', value }),
    swatch,
    create('span', { className: 'legend-name', textContent: name }),
    create('span', { className: 'figures', textContent: share }),
  );
}

function sharesOf(shape) {
  const shares = new Map();
  for (const [shard, stretches] of stretchesOf(shape)) {
    shares.set(
      shard,
      stretches.reduce((sum, [from, to]) => sum + to - from, 0),
    );
  }
  return shares;
}
