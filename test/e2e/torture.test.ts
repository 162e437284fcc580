/** A short piece of `npm run torture`: the built program under load and faults, judged by the history checker. */
import { caughtBy, faultOf, plant, BUGS } from '../torture/bugs';
import { FAULTS } from '../torture/faults';
import { reportLines } from '../torture/report';
import { runFault } from '../torture/run-fault';

const SEED = 1;
const RATE = 300;

it.each(['F8', 'F10'])(
  '%s: the contract holds',
  async (name) => {
    const result = await runFault(FAULTS.get(name)!, { seed: SEED, seconds: 6, rate: RATE });
    if (!result.ok) throw new Error(reportLines([result]).join('\n'));
    expect(result.rounds).toBeGreaterThan(0);
  },
  60_000,
);

it('a bug that is planted into the program is caught', async () => {
  const bug = BUGS.find(({ name }) => name === 'own-value')!;
  const planted = await plant(bug);
  try {
    const result = await runFault(faultOf(bug), {
      seed: SEED,
      seconds: 6,
      rate: RATE,
      settings: planted.settings,
    });
    expect(caughtBy(bug, result)).not.toEqual([]);
  } finally {
    await planted.remove();
  }
}, 60_000);

it('each piece of text that a planted bug replaces stands where it should', async () => {
  for (const bug of BUGS) await (await plant(bug)).remove();
});
