/**
 * What became of a batch: of its commands, told to the observer in a few calls however many there were, and of the
 * whole.
 */
import type { Command, Reply } from './command';
import type { ErrorCode } from './errors';
import type { Observer, Outcome } from './ports';

interface Tally {
  readonly command: Command['command'];
  readonly outcome: Outcome;
  count: number;
}

export function observeBatch(observer: Observer, replies: readonly Reply[]): void {
  const tallies: Tally[] = [];
  let tally: Tally | undefined;
  for (const reply of replies) {
    const { command } = reply;
    const outcome = reply.status === 'ERROR' ? reply.error.code : reply.status;
    // Mostly the same as the one before.
    if (tally?.command !== command || tally.outcome !== outcome) {
      tally = tallies.find((known) => known.command === command && known.outcome === outcome);
      if (tally === undefined) tallies.push((tally = { command, outcome, count: 0 }));
    }
    tally.count++;
  }
  for (const { command, outcome, count } of tallies) observer.commands(command, outcome, count);
}

/** The batch's own outcome: what the commands that failed have in common, where nothing else became of any of them. */
export function batchOutcome(replies: readonly Reply[]): Outcome {
  const codes = new Set<ErrorCode | undefined>();
  for (const reply of replies) codes.add(reply.status === 'ERROR' ? reply.error.code : undefined);
  const [code] = codes;
  return codes.size > 1 ? 'PARTIAL' : (code ?? 'SUCCESS');
}
