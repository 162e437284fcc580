/** The plots of the last five minutes, drawn by uPlot, and the figures of this second beside their names. */
import { age, byId, byteCount, counted, create, figure, milliseconds, setFacts, setText } from './dom.js';
import { createHistory, dotsOf, WINDOW_SECONDS } from './history.js';
import uPlot from './uplot.js';

const HEIGHT = 150;
const FONT = '11px system-ui, sans-serif';
/** `list` names one of a history's; `colour` a property of console.css. A second line is dashed as well. */
const PLOTS = [
  {
    title: 'Near-cache hit rate',
    lines: [{ label: '', list: 'hitRate', colour: '--plot-1' }],
    tell: (value) => `${figure(value)} %`,
    top: () => 100,
  },
  {
    title: 'Cache requests per second',
    lines: [{ label: '', list: 'perSecond', colour: '--plot-1' }],
    tell: figure,
    top: roundUp,
  },
  {
    title: 'Latency',
    lines: [
      { label: 'p50', list: 'p50', colour: '--plot-1' },
      { label: 'p99', list: 'p99', colour: '--plot-2', dash: [5, 4] },
    ],
    tell: milliseconds,
    top: roundUp,
  },
];

let history = createHistory();
let drawings = [];

/** Redraws what a change of the page's colours or width asks for. */
export function openPlots() {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    if (drawings.length > 0) draw();
  });
  new ResizeObserver(() => {
    for (const { plot, area } of drawings) {
      if (area.clientWidth > 0) plot.setSize({ width: area.clientWidth, height: HEIGHT });
    }
  }).observe(byId('plots'));
}

/** Takes one more answer of `GET /status`. */
export function addToPlots(status) {
  setText(byId('traffic-note'), '');
  setFacts(byId('traffic-facts'), factsOf(status));
  history.add(status, performance.now() / 1000);
  if (drawings.length === 0) draw();
  for (const drawing of drawings) {
    drawing.plot.setData(dataOf(drawing.about));
    tellFigures(drawing);
  }
}

/** `note` says why there is nothing. */
export function clearPlots(note) {
  removeDrawings();
  history = createHistory();
  byId('plots').hidden = true;
  setFacts(byId('traffic-facts'), {});
  setText(byId('traffic-note'), note);
}

function factsOf({ uptime_seconds: uptime, near, requests, event_loop_delay_ms: delay }) {
  return {
    Up: uptime === undefined ? undefined : age(uptime),
    'In flight': requests && `${figure(requests.in_flight)} of ${figure(requests.in_flight_max)}`,
    'Event loop p99': delay && milliseconds(delay.p99),
    'Near cache': near.enabled ? `${counted(near.entries, 'key')}, ${byteCount(near.bytes)}` : 'off',
  };
}

function removeDrawings() {
  for (const { plot } of drawings) plot.destroy();
  drawings = [];
  byId('plots').replaceChildren();
}

function draw() {
  removeDrawings();
  byId('plots').hidden = false;
  drawings = PLOTS.map((about) => {
    const now = create('span', { className: 'plot-now figures' });
    // The figures beside the name say what there is to say of the picture.
    const area = create('div', { className: 'plot-area', ariaHidden: 'true' });
    const title = create('span', { className: 'plot-title', textContent: about.title });
    const figureOf = { className: 'plot', ariaLabel: about.title };
    byId('plots').append(create('figure', figureOf, create('figcaption', {}, title, now), area));
    return { about, area, now };
  });
  // Not before all of them have their places: the first one would be as wide as all together.
  for (const drawing of drawings) {
    drawing.plot = new uPlot(optionsOf(drawing), dataOf(drawing.about), drawing.area);
    tellFigures(drawing);
  }
}

function dataOf({ lines }) {
  return [history.times, ...lines.map(({ list }) => history[list])];
}

/** Of the moment under the pointer, else of the last one that has any. */
function tellFigures({ about, now, plot }) {
  const pointed = plot?.cursor.idx ?? undefined;
  const parts = about.lines.map(({ label, list, colour }) => {
    const value = pointed === undefined ? history[list].at(-1) : history[list][pointed];
    const name = create('span', { className: 'plot-label', textContent: label });
    name.style.color = `var(${colour})`;
    const told = value === undefined || value === null ? '–' : about.tell(value);
    return create('span', {}, ...(label === '' ? [] : [name, ' ']), told);
  });
  now.replaceChildren(...parts);
}

function optionsOf(drawing) {
  const { about, area } = drawing;
  const colours = getComputedStyle(document.documentElement);
  const colour = (name) => colours.getPropertyValue(name).trim();
  const axis = { stroke: colour('--muted'), font: FONT, ticks: { show: false } };
  return {
    width: Math.max(area.clientWidth, 100),
    height: HEIGHT,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      x: { time: false, range: () => [nowSeconds() - WINDOW_SECONDS, nowSeconds()] },
      y: { range: (_plot, _low, high) => [0, about.top(high ?? 0)] },
    },
    axes: [
      {
        ...axis,
        size: 24,
        grid: { show: false },
        splits: () => [5, 4, 3, 2, 1, 0].map((minutes) => nowSeconds() - minutes * 60),
        values: () => ['5 min', '4', '3', '2', '1', 'now'],
      },
      {
        ...axis,
        size: 44,
        grid: { stroke: colour('--line'), width: 1 },
        splits: (_plot, _axis, low, high) => splitsOf(low, high),
        values: (_plot, values) => values.map(figure),
      },
    ],
    series: [
      {},
      ...about.lines.map((line) => ({
        stroke: colour(line.colour),
        width: 1.5,
        dash: line.dash,
        points: {
          show: true,
          size: 6,
          fill: colour(line.colour),
          filter: (plot, index) => dotsOf(plot.data[index]),
        },
      })),
    ],
    hooks: { setCursor: [() => drawing.plot && tellFigures(drawing)] },
  };
}

function nowSeconds() {
  return history.times.at(-1) ?? performance.now() / 1000;
}

function splitsOf(low, high) {
  return [low, (low + high) / 2, high];
}

/** The next of 1, 2, 5, 10, 20 … */
function roundUp(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((step) => value <= step * power * 1.0001);
}
