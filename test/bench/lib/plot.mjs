// The result of a run as a picture: a bar for each goal, as long as the part of it that was reached; the line is 1.
import { amount } from './report.mjs';

const ROW_HEIGHT = 26;
const LABEL_WIDTH = 420;
const BAR_WIDTH = 300;
const WIDTH = 940;
const TOP = 40;
/** Longer bars are cut off here; their figure still tells. */
const REACHED_MAX = 2;

/** An SVG document. */
export function plot({ date, machine, rows }) {
  const goals = rows.flatMap((row) =>
    row.goals.filter(({ goal }) => goal !== undefined).map((goal) => ({ row: row.name, ...goal })),
  );
  const height = TOP + goals.length * ROW_HEIGHT + 20;
  const goalX = LABEL_WIDTH + BAR_WIDTH / REACHED_MAX;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#fff"/>
<text x="8" y="20" fill="#555">${escape(`${date.slice(0, 10)}  ${machine}`)}</text>
${goals.map(bar).join('\n')}
<line x1="${goalX}" x2="${goalX}" y1="${TOP - 8}" y2="${height - 12}" stroke="#333" stroke-dasharray="4 3"/>
<text x="${goalX}" y="${TOP - 12}" text-anchor="middle" fill="#333">goal</text>
</svg>
`;
}

function bar({ row, label, value, unit, goal, met, lessIsBetter }, at) {
  const y = TOP + at * ROW_HEIGHT;
  const part = Math.min(REACHED_MAX, lessIsBetter ? goal / value : value / goal);
  const width = (part / REACHED_MAX) * BAR_WIDTH;
  return `<text x="8" y="${y + 16}">${escape(`${row}  ${label}`)}</text>
<rect x="${LABEL_WIDTH}" y="${y + 3}" width="${width.toFixed(1)}" height="18" fill="${met ? '#2b8a3e' : '#c92a2a'}"/>
<text x="${LABEL_WIDTH + BAR_WIDTH + 10}" y="${y + 16}">${escape(`${amount(value, unit)} of ${amount(goal, unit)}`)}</text>`;
}

function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
