/** What runs upon replicated groups have found, for people. */
import { isMet } from '../fault';
import { figureText } from '../report';
import type { GroupResult } from './run';
import { failedOf } from './run';

const TOLD = 3;

/** Lines without a line end. */
export function groupReportLines(results: readonly GroupResult[]): string[] {
  return results.flatMap((result) => {
    const { fault, report, figures, failures, history, ok } = result;
    return [
      `${ok ? '✓' : '✗'} ${fault.name}  ${fault.title}: ${result.rounds} rounds in ${result.seconds.toFixed(0)} s, seed ${result.seed}, ${history.operations.length} operations`,
      `      ${report.verdicts.map(verdictText).join('  ')}`,
      ...figures.map((figure) => `    ${isMet(figure) ? ' ' : '✗'} ${figureText(figure)}`),
      ...report.verdicts.flatMap(({ guarantee, violations }) =>
        violations
          .slice(0, TOLD)
          .flatMap(({ message, operations }) => [
            `    ✗ ${guarantee}: ${message}`,
            ...operations.map((operation) => `        ${JSON.stringify(operation)}`),
          ]),
      ),
      ...failedOf(history)
        .slice(0, TOLD)
        .map((operation) => `    ✗ failed: ${JSON.stringify(operation)}`),
      ...failures.map((text) => `    ✗ ${text}`),
    ];
  });
}

function verdictText({
  guarantee,
  checked,
  violationCount,
}: GroupResult['report']['verdicts'][number]): string {
  if (checked === 0) return `– ${guarantee}`;
  return violationCount === 0 ? `✓ ${guarantee}` : `✗ ${guarantee} ${violationCount}`;
}
