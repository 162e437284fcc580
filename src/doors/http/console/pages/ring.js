/** The ring's section: which shard has how much of it, and where the key in the form above falls. */
import { call, SessionEnded } from './api.js';
import { brief, byId, countdown, counted, create, figure, setFacts, setText } from './dom.js';
import { colourOf, drawRing, pointAt, stretchesOf } from './ring-drawing.js';

/** After the last keystroke. */
const TYPING_PAUSE_MS = 250;

let ring;
/** The text of the last answer: the same one is not drawn again. */
let drawn;
/** What is known of the key in the form; undefined: there is none. */
let placed;
let timer;
let asked = 0;
let isOpen = false;

/** Follows what is typed. */
export function openRing() {
  byId('key').addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => void locateKey(), TYPING_PAUSE_MS);
  });
}

/** Asks for the ring and draws it if it has changed. @throws what `call` does */
export async function loadRing() {
  const { body } = await call('ring');
  isOpen = true;
  const text = JSON.stringify(body);
  if (text === drawn) return;
  drawn = text;
  ring = body;
  const hasRing = body.size !== null && body.arcs.length > 0;
  byId('ring-body').hidden = !hasRing;
  setText(byId('ring-note'), hasRing ? '' : 'There is no ring here: one process keeps all keys.');
  if (hasRing) {
    const colours = coloursOf(body.shards);
    fillLegend(drawRing(byId('ring-svg'), body, colours), colours);
    showLocation();
  }
  void locateKey();
}

/** Marks where the key in the form falls; nothing happens while the ring is not open. */
export async function locateKey() {
  const key = byId('key').value;
  const number = ++asked;
  if (!isOpen) return;
  const found = await lookUp(key).catch((trouble) => ({ trouble }));
  if (number !== asked || found?.trouble instanceof SessionEnded) return;
  placed = found;
  showLocation();
}

/** `note` says why there is nothing. */
export function clearRing(note) {
  clearTimeout(timer);
  asked++;
  isOpen = false;
  ring = drawn = placed = undefined;
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
  if (!isKnown) setFacts(byId('ring-facts'), note === undefined ? {} : { 'Not located': note });
  else {
    setFacts(byId('ring-facts'), {
      Shard: brief(shard),
      'Read from': node ?? 'nowhere now',
      Stored: exists ? `yes, ${ttl === null ? 'without end' : `ends in ${countdown(ttl)}`}` : 'no',
      'Near cache': near ? 'yes' : 'no',
    });
  }
  if (!ring?.size) return;
  const shards = counted(ring.shards.length, 'shard');
  if (isKnown && hash !== null) {
    const spoken = `The ring of ${shards}; the key falls on ${shard}, at point ${hash}`;
    pointAt(byId('ring-svg'), hash / ring.size, [brief(shard, 16), figure(hash)], spoken);
  } else {
    pointAt(byId('ring-svg'), undefined, [shards, `${figure(ring.size)} points`], `The ring of ${shards}`);
  }
}

/** In the order of their names, so that a shard keeps its colour while others come and go behind it. */
function coloursOf(names) {
  const order = [...names.keys()].sort((a, b) => names[a].localeCompare(names[b], 'en', { numeric: true }));
  return new Map([...order.map((shard, index) => [shard, colourOf(index)]), [-1, 'var(--line)']]);
}

/** A group of radio buttons is one stop for the Tab key, and the arrows go through it. */
function fillLegend(paths, colours) {
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
