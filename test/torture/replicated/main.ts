/** `npm run torture -- --replicated`: the words of the rig, upon gateways that replicate each other. */
import { plant } from '../bugs';
import { loadHistory, saveHistory } from '../report';
import { caughtIn, GROUP_BUGS } from './bugs';
import { checkGroup } from './check';
import type { GroupFault } from './fault';
import { GROUP_FAULTS } from './faults';
import { groupReportLines } from './report';
import { type GroupRunOptions, runGroup } from './run';

export interface GroupWords extends GroupRunOptions {
  /** Names of faults; all of them unless given. */
  readonly names: readonly string[] | undefined;
  readonly list: boolean;
  readonly keep: boolean;
  /** A file. */
  readonly check: string | undefined;
  readonly bugs: boolean;
  readonly only: readonly string[] | undefined;
}

/** The exit code. @throws Error when no fault has that name */
export async function tortureGroup(words: GroupWords): Promise<number> {
  if (words.list) {
    for (const { name, title } of GROUP_FAULTS.values()) console.log(`${name.padEnd(5)} ${title}`);
    return 0;
  }
  if (words.check !== undefined) return checkAgain(words.check);
  if (words.bugs) return tryBugs(words);
  let isOk = true;
  for (const name of words.names ?? GROUP_FAULTS.keys()) {
    const result = await runGroup(faultNamed(name), words);
    console.log(groupReportLines([result]).join('\n'));
    isOk &&= result.ok;
    if (!result.ok || words.keep)
      console.log(`    kept as ${saveHistory(`replicated-${name}-${words.seed}`, result.history)}`);
  }
  return isOk ? 0 : 1;
}

async function tryBugs(words: GroupWords): Promise<number> {
  let missed = 0;
  for (const bug of GROUP_BUGS) {
    if (words.only !== undefined && !words.only.includes(bug.name)) continue;
    const { settings, ...planted } = await plant(bug);
    try {
      const result = await runGroup(faultNamed(bug.fault), { ...words, settings });
      const caught = caughtIn(result);
      if (caught.length === 0) missed += 1;
      const verdict = caught.length === 0 ? '✗ NOT CAUGHT' : `✓ caught by ${caught.join(', ')}`;
      console.log(`${bug.name.padEnd(14)} ${verdict}   (${bug.title}; ${bug.fault}, seed ${words.seed})`);
      if (words.keep)
        console.log(`    kept as ${saveHistory(`bug-${bug.name}-${words.seed}`, result.history)}`);
    } finally {
      await planted.remove();
    }
  }
  return missed === 0 ? 0 : 1;
}

function checkAgain(file: string): number {
  const { ok, verdicts } = checkGroup(loadHistory(file));
  for (const { guarantee, violations, violationCount } of verdicts) {
    console.log(`${guarantee}: ${violationCount} violations`);
    for (const { message, operations } of violations.slice(0, 5)) {
      console.log(`  ${message}`);
      for (const operation of operations) console.log(`    ${JSON.stringify(operation)}`);
    }
  }
  return ok ? 0 : 1;
}

function faultNamed(name: string): GroupFault {
  const fault = GROUP_FAULTS.get(name);
  if (fault === undefined) throw new Error(`no fault of a replicated group is named ${name}`);
  return fault;
}
