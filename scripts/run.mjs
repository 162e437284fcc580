// `npm run client`, `rewrap`, `bench`, `torture` and `fuzz`: installs and builds what is missing, then runs the program in its
// own process with our standard streams, and ends as it ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ensureBuild, ensureDependencies, giveUp, ROOT } from './lib/steps.mjs';

const PROGRAMS = {
  client: ['dist/main.js', 'client'],
  rewrap: ['dist/main.js', 'rewrap'],
  bench: ['test/bench/main.mjs'],
  torture: ['--require', './scripts/lib/typescript.cjs', 'test/torture/main.ts'],
  fuzz: ['--require', './scripts/lib/typescript.cjs', 'test/fuzz/resp/main.ts'],
};

const [name, ...args] = process.argv.slice(2);
const program = Object.hasOwn(PROGRAMS, name ?? '') ? PROGRAMS[name] : undefined;
if (program === undefined) giveUp(`usage: node scripts/run.mjs ${Object.keys(PROGRAMS).join('|')} …`);

ensureDependencies();
ensureBuild();
const child = spawn(process.execPath, [...program, ...args], { cwd: ROOT, stdio: 'inherit' });
// The program decides what a signal means; Ctrl-C reaches it from the terminal by itself.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => child.kill('SIGTERM'));
const [code] = await once(child, 'exit');
process.exit(code ?? 1);
