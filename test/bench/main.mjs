// `npm run bench`: measures the rows of the benchmark, prints them, and writes results/. See README.md.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { notInstalled } from './lib/contenders.mjs';
import { generatorName } from './lib/load.mjs';
import { chooseCores, describeMachine } from './lib/machine.mjs';
import { plot } from './lib/plot.mjs';
import { openProcesses } from './lib/processes.mjs';
import { table } from './lib/report.mjs';
import { ROWS } from './lib/rows.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RESULTS = fileURLToPath(new URL('results', import.meta.url));

const USAGE = `usage: npm run bench -- [--row P1]… [--quick] [--seconds N] [--rounds N]

  --row      ${Object.keys(ROWS).join(', ')}; all of them unless given
  --quick    runs of 1 second in 3 rounds: to see that it works, not to quote
  --seconds  length of one run of load (2)
  --rounds   how often each contender has its turn (5)
`;

const { rows, pace } = parseWords();
const cores = chooseCores();
const processes = openProcesses();
// The guard ends what we started; we only have to go.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

const result = {
  date: new Date().toISOString(),
  command: ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
  machine: describeMachine(),
  generator: generatorName(),
  pinned: cores.server !== undefined,
  ...pace,
  rows: [],
};
try {
  const run = { processes, cores, progress: undefined, ...makeCertificate() };
  for (const name of rows) {
    run.progress = (what) => showProgress(`${name}  ${what}`);
    result.rows.push({ name, title: ROWS[name].title, ...(await measure(name, run)) });
  }
} finally {
  showProgress('');
  processes.close();
}

const text = table(result);
console.log(text);
mkdirSync(RESULTS, { recursive: true });
const file = path.join(RESULTS, result.date.replaceAll(':', '-').replace(/\..*/, ''));
writeFileSync(`${file}.json`, JSON.stringify(result, undefined, 2));
writeFileSync(`${file}.md`, text);
writeFileSync(`${file}.svg`, plot(result));
console.log(`Written: ${path.relative(ROOT, file)}.json, .md, .svg`);
const missed = result.rows.flatMap((row) => row.goals).filter(({ met }) => met === false);
process.exitCode = missed.length > 0 ? 1 : 0;

/** A row that fails does not take the others with it. */
async function measure(name, run) {
  const row = ROWS[name];
  const skipped = notInstalled(row.needs ?? []);
  if (skipped !== undefined) return { contenders: [], goals: [{ label: 'all of it', skipped }] };
  try {
    return await row.measure(run, pace);
  } catch (error) {
    return { contenders: [], goals: [{ label: 'failed', failure: error.message, met: false }] };
  } finally {
    await run.processes.stopAll();
  }
}

function parseWords() {
  try {
    const { values } = parseArgs({
      options: {
        row: { type: 'string', multiple: true },
        quick: { type: 'boolean', default: false },
        seconds: { type: 'string' },
        rounds: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) end(0);
    const names = values.row ?? Object.keys(ROWS);
    const unknown = names.find((name) => !Object.hasOwn(ROWS, name));
    if (unknown !== undefined) throw new Error(`there is no row ${unknown}`);
    return {
      rows: names,
      pace: {
        seconds: count(values.seconds, values.quick ? 1 : 2),
        rounds: count(values.rounds, values.quick ? 3 : 5),
        isQuick: values.quick,
      },
    };
  } catch (error) {
    console.error(error.message);
    return end(2);
  }
}

function count(text, byDefault) {
  const number = text === undefined ? byDefault : Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 60) throw new Error(`${text} is not 1 to 60`);
  return number;
}

function end(exitCode) {
  console.error(USAGE);
  process.exit(exitCode);
}

/** All contenders show the same certificate, of the same kind as `npm start` makes. */
function makeCertificate() {
  const folder = path.join(processes.folder, 'certs');
  execFileSync('sh', [path.join(ROOT, 'scripts/certs.sh'), folder], { stdio: 'pipe' });
  const certFile = path.join(folder, 'cert.pem');
  return { certFile, keyFile: path.join(folder, 'key.pem'), ca: readFileSync(certFile) };
}

/** One line that is written over on a terminal; elsewhere a line each. */
function showProgress(line) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
  else if (line !== '') process.stderr.write(`${line}\n`);
}
