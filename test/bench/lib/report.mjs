// The result of a run as Markdown that reads well on a terminal, too.
import { median } from './rounds.mjs';

/** The whole result: the machine, the goals, and the figures behind them. */
export function table(result) {
  const { rows } = result;
  return `# Benchmark

${result.date}, \`${result.command}\`
${result.machine}; load: ${result.generator}; ${result.pinned ? 'servers on one core, the load on another' : 'not pinned: compare with care'}; medians of ${result.rounds} rounds of ${result.seconds} s

${lines(
  ['row', 'figure', 'reached', 'goal', ''],
  rows.flatMap((row) => row.goals.map((goal) => [row.name, goal.label, ...reached(goal)])),
)}

${lines(
  ['row', 'contender', 'µs of server per request', 'requests/s', 'server busy', 'p50 ms', 'p99 ms'],
  rows.flatMap((row) => row.contenders.map((contender) => [row.name, ...figures(contender)])),
)}

${rows.map(({ name, title }) => `${name}: ${title}`).join('\n')}
`;
}

function reached({ unit, value, goal, met, lessIsBetter, byRate, skipped, failure }) {
  if (failure !== undefined) return ['', '', failure.split('\n')[0]];
  if (skipped !== undefined) return ['skipped', '', skipped];
  const rate = byRate === undefined ? '' : ` (${byRate.toFixed(2)} by requests/s)`;
  return [
    `${amount(value, unit)}${rate}`,
    goal === undefined ? '–' : `${lessIsBetter ? '≤' : '≥'} ${amount(goal, unit)}`,
    met === undefined ? 'for information' : met ? 'met' : 'MISSED',
  ];
}

/** As people read it: `0.83 ×`, `0.41 s`, `612,000 READs/s`. */
export function amount(value, unit) {
  return `${value >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(2)} ${unit}`;
}

function figures({ name, samples, skipped }) {
  if (skipped !== undefined) return [name, `skipped: ${skipped}`, '', '', '', ''];
  const of = (field) => median(samples.map((sample) => sample[field]));
  const micros = of('microsPerRequest');
  return [
    name,
    Number.isNaN(micros) ? 'unknown' : micros.toFixed(1),
    Math.round(of('requestsPerSecond')).toLocaleString('en'),
    Number.isNaN(micros) ? 'unknown' : `${Math.round(of('serverBusy') * 100)} %`,
    of('p50Ms').toFixed(2),
    of('p99Ms').toFixed(2),
  ];
}

function lines(head, body) {
  const widths = head.map((title, at) =>
    Math.max(3, ...[title, ...body.map((cells) => cells[at])].map((cell) => cell.length)),
  );
  const line = (cells) => `| ${cells.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}
