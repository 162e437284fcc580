/** Getting Redis from the system's package manager, for which a script stands in that writes down what it is told. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { makeFolder, removeFolder } from '../support/child';

const MODULE = path.join(__dirname, '../../scripts/lib/packages.mjs');
const SERVICE_POLICY = '/usr/sbin/policy-rc.d';
const IS_ROOT = process.getuid?.() === 0;

/** Debian's, with a package of Redis under the second name only. */
const APT_GET = `#!/bin/sh
PATH=/usr/bin:/bin
[ -e ${SERVICE_POLICY} ] && policy=services-forbidden
echo "$* $policy" >>"$0.log"
case $* in
  install*valkey-server) printf '#!/bin/sh\\n' >"$(dirname "$0")/redis-server"; chmod +x "$(dirname "$0")/redis-server" ;;
  install*) exit 100 ;;
esac
`;

let folder: string;
beforeEach(async () => {
  folder = await makeFolder();
});
afterEach(() => removeFolder(folder));

/** Runs `provideCommand` in a process whose PATH is the folder alone. */
async function provideRedis(env: Record<string, string> = {}) {
  const code = `
    import { provideCommand } from ${JSON.stringify(MODULE)};
    const said = [];
    const result = await provideCommand(['redis-server'], 'redis', (line) => said.push(line));
    console.log(JSON.stringify({ ...result, said }));`;
  const args = ['--input-type=module', '-e', code];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { PATH: folder, ...env } });
  return JSON.parse(stdout) as { command?: string; advice: string; said: string[] };
}

async function told(): Promise<string[]> {
  const log = path.join(folder, 'apt-get.log');
  return existsSync(log) ? (await readFile(log, 'utf8')).trim().split('\n') : [];
}

it('a command on PATH is taken as it is', async () => {
  const command = path.join(folder, 'redis-server');
  await writeFile(command, '', { mode: 0o755 });
  expect(await provideRedis()).toEqual({ command, advice: '', said: [] });
});

it('root installs it, with one line said, no service started and nothing else left behind', async () => {
  await writeFile(path.join(folder, 'apt-get'), APT_GET, { mode: 0o755 });
  const hadPolicy = existsSync(SERVICE_POLICY);
  const { command, advice, said } = await provideRedis();
  if (IS_ROOT) {
    expect(command).toBe(path.join(folder, 'redis-server'));
    expect(said).toEqual([expect.stringMatching(/^Installing redis with apt-get/)]);
    expect(await told()).toEqual([
      'update -qq services-forbidden',
      'install -y -qq --no-install-recommends redis-server services-forbidden',
      'install -y -qq --no-install-recommends valkey-server services-forbidden',
    ]);
  } else {
    expect([advice, await told()]).toEqual(['install it with: sudo apt-get install redis-server', []]);
  }
  expect(existsSync(SERVICE_POLICY)).toBe(hadPolicy);
});

it('RINGCACHE_NO_INSTALL forbids that: the command that would do it is told instead', async () => {
  await writeFile(path.join(folder, 'apt-get'), APT_GET, { mode: 0o755 });
  expect(await provideRedis({ RINGCACHE_NO_INSTALL: '1' })).toEqual({
    advice: 'install it with: sudo apt-get install redis-server',
    said: [],
  });
  expect(await told()).toEqual([]);
});

it('where no package manager is known, the advice names what is needed', async () => {
  const { command, advice } = await provideRedis();
  expect(command).toBeUndefined();
  expect(advice).toMatch(/^install redis and put redis-server on PATH/);
});
