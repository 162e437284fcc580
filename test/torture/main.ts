/** `npm run torture`: breaks what the words name, under load, and says whether the contract held. See README.md. */
import { parseArgs } from 'node:util';
import { BUGS, caughtBy, faultOf, plant } from './bugs';
import { checkHistory } from './checker';
import { FAULTS } from './faults';
import { type Fault, isMet, shardsOf } from './fault';
import { tortureGroup } from './replicated/main';
import { figureText, loadHistory, reportLines, saveHistory } from './report';
import { checkOptionsOf, type Progress, runFault, type RunResult } from './run-fault';
import { soak } from './soak';

const USAGE = `usage: npm run torture -- [--faults F6,F8] [--seconds N] [--seed N] [--rate N] [--keep]
       npm run torture -- --bugs [--only NAME,…]
       npm run torture -- --soak MINUTES [--seed N] [--rate N]
       npm run torture -- --list | --check FILE --faults NAME
       npm run torture -- --replicated [--faults F17,F23] [--seconds N] [--seed N] [--rate N] [--keep]
       npm run torture -- --replicated --bugs [--only NAME,…] | --list | --check FILE

  --faults   which; all of them unless given
  --seconds  of load for each (60)
  --seed     decides keys, operations, victims and times; a new one unless given
  --rate     operations a second (400)
  --keep     the histories of runs without a fault too
  --bugs     plants bugs into copies of the built program, each of which must be caught
  --soak     all faults upon the same gateways, again and again; their memory must stay as it is
  --check    judges a saved history again, by the limits of the fault that --faults names
  --replicated  upon three gateways that replicate each other, with faults and a checker of their own (300 a second)
`;

interface Words {
  readonly faults: readonly Fault[];
  readonly seconds: number;
  readonly seed: number;
  readonly rate: number;
  readonly list: boolean;
  readonly keep: boolean;
  readonly check: string | undefined;
  readonly bugs: boolean;
  /** Minutes. */
  readonly soak: number | undefined;
  readonly only: readonly string[] | undefined;
}

async function main(): Promise<number> {
  const values = parseValues();
  if (values.replicated === true) {
    const [names, only] = [values.faults?.split(','), values.only?.split(',')];
    const run = numbersOf(values, values.bugs === true ? 20 : 30, 300);
    const [list, keep, bugs] = [values.list === true, values.keep === true, values.bugs === true];
    return tortureGroup({ ...run, names, only, list, keep, bugs, check: values.check });
  }
  const words = wordsOf(values);
  if (words.list) {
    for (const { name, title } of FAULTS.values()) console.log(`${name.padEnd(5)} ${title}`);
    return 0;
  }
  if (words.check !== undefined) return check(words.check, words.faults[0]!);
  if (words.bugs) return tryBugs(words);
  if (words.soak !== undefined) return runSoak(words, words.soak);
  const results: RunResult[] = [];
  for (const fault of words.faults) {
    const result = await runFault(fault, { ...words, onProgress: show });
    results.push(result);
    show(undefined);
    if (result.ok && !words.keep) continue;
    console.log(keep(result));
  }
  console.log(reportLines(results).join('\n'));
  return results.every(({ ok }) => ok) ? 0 : 1;
}

async function tryBugs(words: Words): Promise<number> {
  let missed = 0;
  for (const bug of BUGS) {
    if (words.only !== undefined && !words.only.includes(bug.name)) continue;
    const { settings, ...planted } = await plant(bug);
    try {
      const fault = faultOf(bug);
      const result = await runFault(fault, { ...words, settings, onProgress: show });
      show(undefined);
      const caught = caughtBy(bug, result);
      if (caught.length === 0) missed += 1;
      const verdict = caught.length === 0 ? '✗ NOT CAUGHT' : `✓ caught by ${caught.join(', ')}`;
      const run = `${fault.name}, ${result.seconds.toFixed(0)} s, seed ${words.seed}`;
      console.log(`${bug.name.padEnd(14)} ${verdict}   (${bug.title}; ${run})`);
      if (words.keep) console.log(`kept as ${saveHistory(`bug-${bug.name}-${words.seed}`, result.history)}`);
    } finally {
      await planted.remove();
    }
  }
  return missed === 0 ? 0 : 1;
}

async function runSoak(words: Words, minutes: number): Promise<number> {
  const onResult = (result: RunResult): void => {
    show(undefined);
    if (result.ok) console.log(`✓ ${result.fault.name}, seed ${result.seed}`);
    else console.log([...reportLines([result]), keep(result)].join('\n'));
  };
  const { results, growth } = await soak({ ...words, minutes, onProgress: show, onResult });
  console.log(reportLines(results).join('\n'));
  for (const figure of growth) console.log(`${isMet(figure) ? '✓' : '✗'} ${figureText(figure)}`);
  return results.every(({ ok }) => ok) && growth.every(isMet) ? 0 : 1;
}

/** Says where the evidence is, and how to look at it again. */
function keep({ fault, seed, history }: RunResult): string {
  const file = saveHistory(`${fault.name}-${seed}`, history);
  return `${fault.name}: kept as ${file}; npm run torture -- --check ${file} --faults ${fault.name}`;
}

function check(file: string, fault: Fault): number {
  const report = checkHistory(loadHistory(file), checkOptionsOf(fault, shardsOf(fault)));
  for (const { guarantee, violations, violationCount, undecided, worst } of Object.values(
    report.perGuarantee,
  )) {
    const figure = worst === undefined ? '' : `, ${worst.name} ${worst.value.toFixed(1)}`;
    console.log(`${guarantee}: ${violationCount} violations${figure}`);
    for (const { message, operations } of violations.slice(0, 5)) {
      console.log(`  ${message}`);
      for (const operation of operations) console.log(`    ${JSON.stringify(operation)}`);
    }
    for (const message of undecided.slice(0, 5)) console.log(`  undecided: ${message}`);
  }
  return report.ok ? 0 : 1;
}

function show(progress: Progress | undefined): void {
  if (!process.stdout.isTTY) return;
  let line = '';
  if (progress !== undefined) {
    const { fault, elapsedSeconds, operations, errors, rounds, isBroken } = progress;
    line = `${fault}  ${elapsedSeconds.toFixed(0)} s  ${operations} operations, ${errors} errors, round ${rounds + 1}${isBroken ? ', broken' : ''}`;
  }
  process.stdout.write(`\r\u001b[K${line}`);
}

function parseValues() {
  return parseArgs({
    options: {
      ...{ faults: { type: 'string' }, seconds: { type: 'string' }, seed: { type: 'string' } },
      ...{
        rate: { type: 'string' },
        list: { type: 'boolean' },
        keep: { type: 'boolean' },
        check: { type: 'string' },
      },
      ...{ bugs: { type: 'boolean' }, soak: { type: 'string' }, only: { type: 'string' } },
      replicated: { type: 'boolean' },
    },
  }).values;
}

type Values = ReturnType<typeof parseValues>;

function wordsOf(values: Values): Words {
  const names = values.faults?.split(',') ?? [...FAULTS.keys()];
  const faults = names.map(
    (name) => FAULTS.get(name) ?? giveUp(`no fault is named ${name}; --list shows them`),
  );
  return {
    faults,
    ...numbersOf(values, values.bugs === true ? 20 : 60, 400),
    list: values.list === true,
    keep: values.keep === true,
    check: values.check,
    bugs: values.bugs === true,
    soak: values.soak === undefined ? undefined : positive('--soak', values.soak, 0),
    only: values.only?.split(','),
  };
}

function numbersOf(values: Values, seconds: number, rate: number): Pick<Words, 'seconds' | 'seed' | 'rate'> {
  return {
    seconds: positive('--seconds', values.seconds, seconds),
    seed: positive('--seed', values.seed, Date.now() % 1_000_000),
    rate: positive('--rate', values.rate, rate),
  };
}

function positive(name: string, text: string | undefined, fallback: number): number {
  const number = text === undefined ? fallback : Number(text);
  return number > 0 ? number : giveUp(`${name} needs a number over 0`);
}

function giveUp(reason: string): never {
  console.error(`${reason}\n\n${USAGE}`);
  process.exit(2);
}

// The guards of the child processes end those when we are gone.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));
main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    process.exit(2);
  },
);
