// What `npm start`, `npm test` and `npm run …` need done before they can begin: each step does nothing when its
// result is there and newer than what it is made from. Node's own modules only: the first step is the one that
// installs all others. Everything said goes to standard error; standard output belongs to the program behind.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { provideCommand } from './packages.mjs';

/** The folder of package.json. */
export const ROOT = path.resolve(fileURLToPath(new URL('../..', import.meta.url)));

const STEP_TIMEOUT_MS = 10 * 60_000;

export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** Ends the program with a sentence and without a stack: for what its user can mend. */
export function giveUp(sentence) {
  say(sentence);
  process.exit(1);
}

/** Runs one command to its end; its output is shown. Gives up when it fails. */
function runStep(announcement, command, args, env = process.env) {
  say(announcement);
  const { error, status } = spawnSync(command, args, {
    cwd: ROOT,
    env,
    stdio: ['ignore', 2, 2],
    timeout: STEP_TIMEOUT_MS,
  });
  if (status !== 0) giveUp(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`);
}

/** Milliseconds since 1970 at which the file last changed; a missing file is older than all others. */
function changedMs(file) {
  return statSync(path.join(ROOT, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

export function ensureDependencies() {
  // npm writes this file last, so an installation that broke off is not mistaken for a whole one.
  if (changedMs('node_modules/.package-lock.json') >= changedMs('package-lock.json')) return;
  // No package here needs its install script, and the build needs the development ones even in production.
  runStep('Installing dependencies …', 'npm', [
    ...['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'],
  ]);
}

export function ensureBuild() {
  const sources = readdirSync(path.join(ROOT, 'src'), { recursive: true }).map((file) =>
    path.join('src', file),
  );
  const newestMs = Math.max(...[...sources, 'tsconfig.json', 'package-lock.json'].map(changedMs));
  // Its two halves: what the compiler makes, and what is copied.
  const builtMs = Math.min(...['dist/main.js', 'dist/doors/http/console/pages/main.js'].map(changedMs));
  if (builtMs >= newestMs) return;
  runStep('Building …', process.execPath, ['node_modules/typescript/bin/tsc', '--noEmitOnError']);
  runStep('Copying what is not TypeScript …', process.execPath, ['scripts/copy-files.mjs']);
}

/** A certificate for development, where the settings leave the files where they are by default. */
export async function ensureCertificate({ TLS_CERT_FILE, TLS_KEY_FILE }) {
  const [cert, key] = ['certs/cert.pem', 'certs/key.pem'];
  if ((TLS_CERT_FILE || cert) !== cert || (TLS_KEY_FILE || key) !== key) return;
  if (existsSync(path.join(ROOT, cert)) && existsSync(path.join(ROOT, key))) return;
  const openssl = await provideCommand(['openssl'], 'openssl', say);
  if (openssl.command === undefined) giveUp(`The certificate is made with openssl: ${openssl.advice}`);
  runStep('Making a development certificate …', 'sh', ['scripts/certs.sh']);
}

/** Fresh secrets in `.env`, readable by its owner alone; a file that is there is never touched. */
export function ensureSecrets() {
  let file;
  try {
    file = openSync(path.join(ROOT, '.env'), 'wx', 0o600);
  } catch (error) {
    if (error.code === 'EEXIST') return;
    throw error;
  }
  writeSync(
    file,
    [
      '# Made by npm start; .env.example lists every setting. Whoever has API_KEY may do everything.',
      `JWT_SECRET=${randomBytes(48).toString('base64url')}`,
      `API_KEY=${randomBytes(32).toString('base64url')}`,
      '',
    ].join('\n'),
  );
  closeSync(file);
  say('Wrote fresh secrets to .env.');
}

/** The environment and `.env`, merged as the service itself merges them; to be called after the build. */
export function readSettings() {
  const { mergeEnvFile } = createRequire(import.meta.url)('../../dist/config/env.js');
  const file = path.join(ROOT, '.env');
  return mergeEnvFile(existsSync(file) ? readFileSync(file, 'utf8') : '', process.env);
}
