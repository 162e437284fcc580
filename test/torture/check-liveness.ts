/**
 * How the service felt to its callers: latencies, errors by code, the longest operation against the deadline, and
 * the longest outage.
 *
 * An outage is a stretch in which at least one operation was being tried and none succeeded. It is measured per
 * shard and gateway, for another shard's successes must not hide that one was down. What is held to a limit of it is
 * the service's part: for changes, the time in which the master itself refused them is taken out.
 */
import { groupedBy } from './check-groups';
import type { Terms } from './check-options';
import { isAnswered } from './check-timeline';
import { percentile, VerdictBuilder, type Verdict } from './check-verdict';
import { answeredMs, FOREIGN, type Op, type Operation } from './history';

/** What a caller's own clock and event loop may add to the service's deadline. */
const DEADLINE_SLACK_MS = 50;

export interface Outage {
  readonly fromMs: number;
  readonly toMs: number;
}

interface WorstOutage extends Outage {
  /** Of it, what is the service's. */
  readonly ownMs: number;
  readonly gateway: string;
  readonly shard: string;
}

export interface OpLiveness {
  readonly tried: number;
  readonly succeeded: number;
  /** What did not succeed, by its code, or else by its outcome. */
  readonly errorsByCode: Readonly<Record<string, number>>;
  /** Of the successes. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of all; `Infinity` if one was left hanging. */
  readonly longestMs: number;
  /** Undefined where nothing was tried. */
  readonly longestOutage: WorstOutage | undefined;
}

export interface Liveness {
  readonly verdict: Verdict;
  readonly perOp: Readonly<Record<Op, OpLiveness>>;
}

export function checkLiveness(operations: readonly Operation[], terms: Terms): Liveness {
  const verdict = new VerdictBuilder('liveness');
  const tried = operations.filter(({ gateway }) => gateway !== FOREIGN);
  const figures = (op: Op): OpLiveness => livenessOf(op, tried, terms, verdict);
  const perOp = { READ: figures('READ'), WRITE: figures('WRITE'), DELETE: figures('DELETE') };
  return { verdict: verdict.verdict('longest ms'), perOp };
}

function livenessOf(
  op: Op,
  operations: readonly Operation[],
  terms: Terms,
  verdict: VerdictBuilder,
): OpLiveness {
  const tried = operations.filter((operation) => operation.op === op);
  const latenciesMs = tried
    .filter(isAnswered)
    .map(durationMs)
    .sort((left, right) => left - right);
  const errorsByCode: Record<string, number> = {};
  let longestMs = 0;
  for (const operation of tried) {
    const tookMs = durationMs(operation);
    longestMs = Math.max(longestMs, tookMs);
    if (tookMs > terms.deadlineMs + DEADLINE_SLACK_MS) {
      verdict.violated(`a ${op} took ${tookMs.toFixed(0)} ms, deadline ${terms.deadlineMs} ms`, [operation]);
    }
    if (isAnswered(operation)) continue;
    const code = operation.code ?? operation.outcome;
    errorsByCode[code] = (errorsByCode[code] ?? 0) + 1;
  }
  const longestOutage = worstOutage(op, tried, terms);
  const outageMs = longestOutage?.ownMs ?? 0;
  const outageMaxMs = terms.outageMaxMs[op] ?? Infinity;
  if (longestOutage !== undefined && outageMs > outageMaxMs) {
    const where = `${longestOutage.gateway}${longestOutage.shard && `, shard ${longestOutage.shard}`}`;
    verdict.violated(
      `no ${op} succeeded for ${outageMs.toFixed(0)} ms (${where}), over ${outageMaxMs} ms`,
      tried
        .filter((each) => each.callMs <= longestOutage.toMs && answeredMs(each) >= longestOutage.fromMs)
        .slice(0, 20),
    );
  }
  verdict.judged(tried.length);
  verdict.raise('longest ms', longestMs);
  verdict.figure(`${op} outage ms`, outageMs);
  return {
    tried: tried.length,
    succeeded: latenciesMs.length,
    errorsByCode,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    longestMs,
    longestOutage,
  };
}

function worstOutage(op: Op, tried: readonly Operation[], terms: Terms): OpLiveness['longestOutage'] {
  const placeOf = ({ gateway, key }: Operation): string => JSON.stringify([gateway, terms.shardOf(key)]);
  let worst: OpLiveness['longestOutage'];
  for (const operations of groupedBy(tried, placeOf).values()) {
    const outage = longestOutage(operations);
    if (outage === undefined) continue;
    const { gateway, key } = operations[0]!;
    const shard = terms.shardOf(key);
    const ownMs = op === 'READ' ? outage.toMs - outage.fromMs : terms.ownOutageMs(outage, shard);
    if (worst === undefined || worst.ownMs < ownMs) worst = { ...outage, ownMs, gateway, shard };
  }
  return worst;
}

/** The longest stretch without a success in which one was being tried. One that never ends counts to the last word. */
export function longestOutage(operations: readonly Operation[]): Outage | undefined {
  const byAnswer = operations.toSorted((left, right) => answeredMs(left) - answeredMs(right));
  // For each operation: the first call among it and all that were answered after it.
  const firstCallMs = byAnswer.map(({ callMs }) => callMs);
  for (let index = firstCallMs.length - 2; index >= 0; index -= 1) {
    firstCallMs[index] = Math.min(firstCallMs[index]!, firstCallMs[index + 1]!);
  }
  const lastMs = operations.reduce((latestMs, operation) => {
    const heardMs = answeredMs(operation);
    return Math.max(latestMs, heardMs < Infinity ? heardMs : operation.callMs);
  }, -Infinity);
  let worst: Outage | undefined;
  let lastSuccessMs = -Infinity;
  let openFrom: number | undefined = 0;
  for (const [index, operation] of byAnswer.entries()) {
    openFrom ??= index;
    if (!isAnswered(operation)) continue;
    worst = longer(worst, Math.max(lastSuccessMs, firstCallMs[openFrom]!), operation.returnMs);
    lastSuccessMs = operation.returnMs;
    openFrom = undefined;
  }
  if (openFrom !== undefined && byAnswer.length > 0) {
    worst = longer(worst, Math.max(lastSuccessMs, firstCallMs[openFrom]!), lastMs);
  }
  return worst;
}

function longer(worst: Outage | undefined, fromMs: number, toMs: number): Outage {
  return worst !== undefined && worst.toMs - worst.fromMs >= toMs - fromMs ? worst : { fromMs, toMs };
}

function durationMs(operation: Operation): number {
  return answeredMs(operation) - operation.callMs;
}
