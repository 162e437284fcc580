// A match: contenders asked in turn, round after round, so that whatever else the machine does falls on all of them.
import { notInstalled } from './contenders.mjs';
import { prepareHttps } from './load.mjs';

/** Of an odd count the middle one, of an even count the mean of the two in the middle. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Opens the contenders that can run here, warms each up, measures them in turn and ends all processes of the run. `prepare`
 * readies the load for one of them.
 * @returns {Promise<{ name: string, skipped?: string, samples: object[] }[]>} in the order given
 */
export async function play(run, operation, contenders, { seconds, rounds }, prepare = prepareHttps) {
  const all = contenders.map((contender) => ({
    contender,
    samples: [],
    skipped: notInstalled(contender.needs),
  }));
  const players = all.filter(({ skipped }) => skipped === undefined);
  try {
    for (const player of players) {
      run.progress(`${player.contender.name}: starting`);
      player.open = await player.contender.open(run);
      const replyBytes = await player.open.check(operation);
      player.load = await prepare(run, player.open, operation, replyBytes);
      // Without this the first round would time the compiler.
      run.progress(`${player.contender.name}: warming up`);
      await player.load(2);
    }
    for (let round = 1; round <= rounds; round++) {
      // Every other round the other way round: who comes first has no advantage.
      for (const player of round % 2 === 1 ? players : players.toReversed()) {
        run.progress(`round ${round} of ${rounds}: ${player.contender.name}`);
        player.samples.push(await player.load(seconds));
      }
    }
    for (const player of players) await player.open.check(operation);
  } finally {
    await run.processes.stopAll();
  }
  return all.map(({ contender, samples, skipped }) => ({ name: contender.name, samples, skipped }));
}

/**
 * Two contenders as a goal names them, and how many times as fast as `base` the first one was: the median over the rounds of
 * the ratio within one round. `byProcessor` compares the servers' processor time per request, NaN where that is not known,
 * `byRate` requests per second. `value` is the first where it is known: that is what one core can answer, while requests per
 * second also depend on the load generator, which saturates before the fastest servers do.
 * @returns {{ label: string, skipped: string } | { label: string, byProcessor: number, byRate: number, value: number }}
 *   `skipped`: what was not there to compare them
 */
export function compare(subject, base) {
  const label = `${subject.name} / ${base.name}`;
  const skipped = subject.skipped ?? base.skipped;
  if (skipped !== undefined) return { label, skipped };
  const ratio = (of) => median(subject.samples.map((sample, at) => of(sample, base.samples[at])));
  const byProcessor = ratio((one, other) => other.microsPerRequest / one.microsPerRequest);
  const byRate = ratio((one, other) => one.requestsPerSecond / other.requestsPerSecond);
  return { label, byProcessor, byRate, value: Number.isNaN(byProcessor) ? byRate : byProcessor };
}
