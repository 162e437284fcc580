/** What became of the commands of a batch, told to the observer in a few calls, however many commands there were. */
import type { Command, Reply } from '../../core/command';
import type { Observer, Outcome } from '../../core/ports';

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
