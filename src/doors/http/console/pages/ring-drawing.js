/**
 * The ring as a picture: a circle of arcs, one colour a shard, and a needle where the key falls. A shard is one path
 * however many arcs it has, so that a browser has as many shapes to draw as there are shards.
 */

const SVG = 'http://www.w3.org/2000/svg';
const RADIUS = 92;
const WIDTH = 24;
/** Colours that console.css has; shards beyond them get the same ones mixed with others. */
const COLOURS = 6;
const MIXES = [undefined, ['var(--ink)', 50], ['var(--card)', 45], ['var(--muted)', 60]];
/** Behind the point: no screen shows more, and it keeps the text of the paths short. */
const DIGITS = 2;

/** A CSS colour for the shard at that place in their order. */
export function colourOf(index) {
  const base = `var(--shard-${index % COLOURS})`;
  const mix = MIXES[Math.floor(index / COLOURS) % MIXES.length];
  return mix === undefined ? base : `color-mix(in oklab, ${base} ${100 - mix[1]}%, ${mix[0]})`;
}

/**
 * The stretches of each shard, neighbours made one, as fractions of the circle; −1 is nobody's.
 * @param arcs at least one `[lastPoint, shard]`, each from behind the one before it; the first from behind the last
 * @returns a map from the shard's index to `[from, to]` pairs; `from` may be negative
 */
export function stretchesOf({ size, arcs }) {
  const stretches = new Map();
  // Behind the last point the circle goes on to the first arc. In a cluster nothing is left over there.
  let from = (arcs.at(-1)[0] + 1) / size - 1;
  let previous;
  for (const [lastPoint, shard] of arcs) {
    const to = (lastPoint + 1) / size;
    const own = stretches.get(shard) ?? [];
    stretches.set(shard, own);
    if (previous === shard) own.at(-1)[1] = to;
    else own.push([from, to]);
    previous = shard;
    from = to;
  }
  return stretches;
}

/** Draws the ring anew, with `colours` by the shard's index. @returns its paths in the same way */
export function drawRing(svg, ring, colours) {
  const paths = new Map();
  for (const [shard, stretches] of stretchesOf(ring)) {
    const path = shape('path', { d: stretches.map(arcPath).join(''), class: 'arc', 'stroke-width': WIDTH });
    path.style.stroke = colours.get(shard);
    paths.set(shard, path);
  }
  const needle = shape('g', { class: 'needle' });
  const line = `M0 ${-RADIUS - WIDTH / 2 - 4}V${-RADIUS + WIDTH / 2 + 5}`;
  needle.append(
    shape('path', { d: line, class: 'needle-halo' }),
    shape('path', { d: line, class: 'needle-line' }),
    shape('circle', { cx: 0, cy: -RADIUS - WIDTH / 2 - 8, r: 5.5, class: 'needle-head' }),
  );
  needle.style.display = 'none';
  const title = shape('title', {});
  const words = [shape('text', { class: 'ring-name', y: 0 }), shape('text', { class: 'ring-point', y: 20 })];
  // Lines round it, since not each colour stands out from the page.
  const edges = [RADIUS - WIDTH / 2, RADIUS + WIDTH / 2].map((r) =>
    shape('circle', { r, class: 'ring-edge' }),
  );
  svg.replaceChildren(title, ...paths.values(), ...edges, needle, ...words);
  return paths;
}

/** Points the needle, and writes two lines in the middle; `fraction` undefined: no needle. */
export function pointAt(svg, fraction, [name, point], spoken) {
  const needle = svg.querySelector('.needle');
  if (needle === null) return;
  needle.style.display = fraction === undefined ? 'none' : '';
  if (fraction !== undefined) needle.setAttribute('transform', `rotate(${(fraction * 360).toFixed(DIGITS)})`);
  svg.querySelector('.ring-name').textContent = name;
  svg.querySelector('.ring-point').textContent = point;
  svg.querySelector('title').textContent = spoken;
}

/** From the top, clockwise. A whole circle ends where it begins, which an arc cannot say: it takes two. */
function arcPath([from, to]) {
  const span = to - from;
  const middle = span > 0.5 ? [arcTo(from + span / 2)] : [];
  return `M${place(from)}${middle.join('')}${arcTo(to)}`;
}

function arcTo(fraction) {
  return `A${RADIUS} ${RADIUS} 0 0 1 ${place(fraction)}`;
}

function place(fraction) {
  const angle = fraction * 2 * Math.PI;
  return `${(RADIUS * Math.sin(angle)).toFixed(DIGITS)} ${(-RADIUS * Math.cos(angle)).toFixed(DIGITS)}`;
}

function shape(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
