/**
 * `npm run fuzz -- [--sequences N] [--pipelines N] [--seed S] [--lanes N] [--against door|parser|redis]`: sends random bytes
 * and random valid pipelines to the built gateway and to a plain Redis, and ends with 1 if they part. The same seed and
 * number of lanes is the same run.
 */
import { parseArgs } from 'node:util';
import { runFuzz } from './run-fuzz';
import { startRig, SUBJECTS } from './rig';

const PROGRESS_EVERY = 10_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      sequences: { type: 'string', default: '200000' },
      pipelines: { type: 'string', default: '100000' },
      seed: { type: 'string', default: String(Date.now()) },
      lanes: { type: 'string', default: '32' },
      against: { type: 'string', default: 'door' },
    },
  });
  const subject = SUBJECTS.find((name) => name === values.against);
  const [sequences, pipelines, lanes] = [values.sequences, values.pipelines, values.lanes].map(Number);
  if (subject === undefined || !isCount(sequences) || !isCount(pipelines) || !isCount(lanes) || lanes === 0) {
    console.error(
      'usage: npm run fuzz -- [--sequences N] [--pipelines N] [--seed S] [--lanes N] [--against door|parser|redis]',
    );
    return 2;
  }
  console.log(
    `seed ${values.seed}: ${sequences} byte sequences and ${pipelines} pipelines against the ${subject}, ${lanes} at a time`,
  );

  const rig = await startRig(subject);
  const startedMs = performance.now();
  const seconds = (): string => `${Math.round((performance.now() - startedMs) / 1000)} s`;
  const onProgress = (done: number): void => {
    if (done % PROGRESS_EVERY === 0) console.log(`${done} cases, ${seconds()}`);
  };
  try {
    const report = await runFuzz(rig, { seed: values.seed, sequences, pipelines, lanes, onProgress });
    console.log(
      `${report.cases} cases in ${seconds()}, ${report.replies} replies, ${report.late} tried again; fates and errors of Redis:`,
    );
    console.log(report.fates, report.errors);
    for (const passing of report.passing) console.log(`not alone: ${passing}`);
    for (const { name, lane, what, reproducer } of report.mismatches) {
      console.log(`\nMISMATCH in ${name}, lane ${lane}, seed ${values.seed}\n  ${what}\n  ${reproducer}`);
    }
    console.log(`${report.mismatches.length} mismatches`);
    return report.mismatches.length === 0 ? 0 : 1;
  } finally {
    await rig.stop();
  }
}

function isCount(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && (value ?? -1) >= 0;
}

void main().then((code) => process.exit(code));
