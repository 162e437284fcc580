/**
 * README.md promises nothing unproven: its shell blocks are run by `test/e2e/readme.test.ts`, and every other command
 * in it is known here by name, with the file that proves it. A new one must find its proof first.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { readmeBlocks, readmeProse } from '../support/readme';

const ROOT = path.join(__dirname, '../..');

const PROVEN_IN: Readonly<Record<string, string>> = {
  // A copy: the commit that a clone would hold is not made yet.
  'git clone <this repository> ringcache && cd ringcache': 'test/support/fresh-clone.ts',
  'npm start': 'test/e2e/start.test.ts',
  // This very run; on a clean checkout:
  'npm test': '.ci/run',
  // There is no container engine here.
  'docker compose up': 'test/house/compose.test.ts',
  'docker compose up ringcache-cluster': 'test/house/compose.test.ts',
  'docker compose up ringcache-sentinel': 'test/house/compose.test.ts',
  'docker compose exec ringcache node dist/main.js client add web': 'test/house/compose.test.ts',
  'docker compose exec ringcache node dist/main.js rewrap': 'test/house/compose.test.ts',
  'npm run bench': 'test/e2e/readme.test.ts',
  'npm run client': 'test/e2e/readme.test.ts',
  'npm run rewrap': 'test/e2e/readme.test.ts',
  'openssl rand -base64 32': 'test/e2e/readme.test.ts',
  // Its first half is the first step of `npm start` in start.test.ts.
  'npm ci && npm run build': 'test/e2e/readme.test.ts',
  'node dist/main.js': 'test/e2e/service.test.ts',
};

const blocks = readmeBlocks();

/** The lines of the `console` blocks, and what stands as a command in the prose. */
function namedCommands(): string[] {
  const lines = blocks
    .filter(({ language }) => language === 'console')
    .flatMap(({ text }) => text.split('\n'));
  const inline = [...readmeProse().matchAll(/`([^`\n]+)`/g)]
    .map(([, code = '']) => code)
    .filter((code) => /^(npm|npx|node|git|docker|openssl|curl|redis-\w+|scripts\/\S+) ./.test(code));
  return [...new Set([...lines, ...inline])];
}

it('each command of the README outside its shell blocks has its proof, and each proof its command', () => {
  expect(namedCommands().sort()).toEqual(Object.keys(PROVEN_IN).sort());
  expect(Object.values(PROVEN_IN).filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
});

it('the README has blocks to run, what they print, commands known by name, and pictures', () => {
  const languages = new Set(blocks.map(({ language }) => language));
  expect([...languages].sort()).toEqual(['', 'console', 'json', 'sh']);
  const unproven = blocks.filter(
    ({ language, isDirectlyAfter }, index) =>
      language === 'json' && !(isDirectlyAfter && blocks[index - 1]?.language === 'sh'),
  );
  expect(unproven).toEqual([]);
});

it('each script that the README runs is one of package.json', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const text = [readmeProse(), ...blocks.map((block) => block.text)].join('\n');
  const named = [...text.matchAll(/\bnpm run (?:-\S+ )*([a-z]+)/g)].map(([, name]) => name);
  expect(named).toContain('client');
  expect([...new Set(named)].filter((name) => !Object.hasOwn(scripts, name!))).toEqual([]);
});

it('each link of the README to a file leads to one', () => {
  const targets = [...readmeProse().matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target = '']) => target);
  expect(targets.length).toBeGreaterThan(0);
  expect(targets.filter((target) => !existsSync(path.join(ROOT, target)))).toEqual([]);
});
