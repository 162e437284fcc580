/** A short piece of `npm run torture -- --replicated`: three gateways under load and faults, judged by the checker. */
import { plant } from '../torture/bugs';
import { isMet } from '../torture/fault';
import { caughtIn, GROUP_BUGS } from '../torture/replicated/bugs';
import type { GroupFault } from '../torture/replicated/fault';
import { GROUP_FAULTS } from '../torture/replicated/faults';
import { groupReportLines } from '../torture/replicated/report';
import { type GroupResult, runGroup } from '../torture/replicated/run';

const LOAD = { seed: 1, seconds: 1, rate: 200 };

/** One after the other, upon the same gateways. */
function inTurn(...names: readonly string[]): GroupFault {
  const faults = names.map((name) => GROUP_FAULTS.get(name)!);
  return {
    name: names.join(' '),
    title: faults.map(({ title }) => title).join(', then '),
    strike: async (rig, random) => {
      const figures = [];
      for (const fault of faults) figures.push(...(await fault.strike(rig, random)));
      return figures;
    },
  };
}

/** How long things take is for a machine that does nothing else. */
function isRight({ report, failures, figures }: GroupResult): boolean {
  return (
    report.ok && failures.length === 0 && figures.every((each) => each.name.endsWith(' ms') || isMet(each))
  );
}

it('all gateways hold the same, nothing acked is lost, nothing comes back', async () => {
  const result = await runGroup(inTurn('F16d', 'F23'), LOAD);
  if (!isRight(result)) throw new Error(groupReportLines([result]).join('\n'));
  expect(result.rounds).toBe(1);
}, 120_000);

it('a bug that is planted into the program is caught', async () => {
  const bug = GROUP_BUGS.find(({ name }) => name === 'own-life')!;
  const { settings, ...planted } = await plant(bug);
  try {
    expect(caughtIn(await runGroup(inTurn(bug.fault), { ...LOAD, settings }))).not.toEqual([]);
  } finally {
    await planted.remove();
  }
}, 120_000);

it('each piece of text that a planted bug replaces stands where it should', async () => {
  for (const bug of GROUP_BUGS) {
    expect(GROUP_FAULTS.has(bug.fault)).toBe(true);
    await (await plant(bug)).remove();
  }
});
