/** What a run has found, for people: a table of faults against guarantees, and the evidence of what did not hold. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ReportRow } from './checker';
import type { Guarantee } from './check-verdict';
import { isMet, type Figure } from './fault';
import { historyText, parseHistory, type History } from './history';
import type { RunResult } from './run-fault';

const OUTPUT = path.join(__dirname, '../output/torture');
const GUARANTEES: readonly Guarantee[] = ['C0', 'C1', 'C2', 'C3', 'C4', 'C5', 'C6', 'C7', 'liveness'];
const SIGNS = { holds: '✓', violated: '✗', undecided: '?', unjudged: '–' } as const;

/** Lines without a line end. */
export function reportLines(results: readonly RunResult[]): string[] {
  const head = [
    ...['fault', ...GUARANTEES.map((name) => (name === 'liveness' ? 'live' : name))],
    ...['read out', 'write out', 'stale p99', 'p99.9', 'max', 'longest', 'operations'],
  ];
  const rows = results.map(({ fault, report, history, ok }) => {
    const { figures } = report.perGuarantee.C3;
    const stale = (name: string): string => (figures[name] ?? 0).toFixed(1);
    return [
      `${ok ? '✓' : '✗'} ${fault.name}`,
      ...GUARANTEES.map((name) => cellOf(report.rows, name)),
      ...(['READ', 'WRITE'] as const).map((op) => outageOf(report.liveness[op].longestOutage)),
      ...[stale('healthy p99 ms'), stale('healthy p99.9 ms'), stale('max ms')],
      (report.perGuarantee.liveness.figures['longest ms'] ?? 0).toFixed(0),
      String(history.operations.length),
    ];
  });
  return [
    ...table([head, ...rows]),
    '',
    'Times in ms. p99 and p99.9 of staleness: without a fault. ✓ holds, ✗ violated, ? undecided, – nothing to judge.',
    '',
    ...results.flatMap(detailLines),
  ];
}

function cellOf(rows: readonly ReportRow[], name: Guarantee): string {
  const row = rows.find(({ guarantee }) => guarantee === name)!;
  return row.violations > 0 ? `${SIGNS[row.result]} ${row.violations}` : SIGNS[row.result];
}

function outageOf(outage: { readonly ownMs: number } | undefined): string {
  return outage === undefined ? '–' : outage.ownMs.toFixed(0);
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

function detailLines({ fault, seed, rounds, seconds, figures, failures, report, ok }: RunResult): string[] {
  const violations = Object.values(report.perGuarantee).flatMap(
    ({ guarantee, violations: all, undecided }) => [
      ...all.slice(0, 3).map(({ message }) => `    ✗ ${guarantee}: ${message}`),
      ...undecided.slice(0, 3).map((message) => `    ? ${guarantee}: ${message}`),
    ],
  );
  const errors = (['READ', 'WRITE', 'DELETE'] as const).map((op) => {
    const { errorsByCode, tried } = report.liveness[op];
    const codes = Object.entries(errorsByCode).map(([code, count]) => `${count} ${code}`);
    return codes.length === 0 ? '' : `${op}s not answered, of ${tried}: ${codes.join(', ')}`;
  });
  return [
    `${ok ? '✓' : '✗'} ${fault.name}  ${fault.title}: ${rounds} rounds in ${seconds.toFixed(0)} s, seed ${seed}`,
    ...figures.map((figure) => `    ${isMet(figure) ? ' ' : '✗'} ${figureText(figure)}`),
    ...errors.filter((text) => text !== '').map((text) => `      ${text}`),
    ...violations,
    ...failures.map((text) => `    ✗ ${text}`),
  ];
}

export function figureText({ name, value, limit, isFloor }: Figure): string {
  const bound = limit === undefined ? '' : ` (${isFloor ? '≥' : '≤'} ${Number(limit.toFixed(1))})`;
  return `${name}: ${Number(value.toFixed(1))}${bound}`;
}

/** Keeps the history of a run for another look; gives the file's name. */
export function saveHistory(name: string, history: History): string {
  mkdirSync(OUTPUT, { recursive: true });
  const file = path.join(OUTPUT, `${name}.jsonl`);
  writeFileSync(file, historyText(history));
  return path.relative(process.cwd(), file);
}

export function loadHistory(file: string): History {
  return parseHistory(readFileSync(file, 'utf8'));
}
