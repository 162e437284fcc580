// `npm test`: all that the tests need, then jest. Arguments are jest's: `npm test -- test/unit/env.test.ts`.
// Coverage counts what runs inside jest; the built program that the end-to-end tests start is beyond its sight.
import { spawnSync } from 'node:child_process';
import { provideCommand } from './lib/packages.mjs';
import { ensureBuild, ensureDependencies, giveUp, ROOT, say } from './lib/steps.mjs';

const redis = await provideCommand(['redis-server'], 'redis', say);
if (redis.command === undefined) giveUp(`The tests run against real Redis servers: ${redis.advice}`);
const openssl = await provideCommand(['openssl'], 'openssl', say);
if (openssl.command === undefined) giveUp(`The tests make certificates with openssl: ${openssl.advice}`);
const args = process.argv.slice(2);
const isWhole = args.every((arg) => arg.startsWith('-'));
// A whole browser is too much to install for one file. In CI nobody reads what was skipped.
if (isWhole || process.env.CI) {
  const browser = await provideCommand(['chromium', 'chromium-browser', 'google-chrome'], 'chromium', say);
  if (browser.command === undefined && process.env.CI)
    giveUp(`The console is tested in Chromium: ${browser.advice}`);
  if (browser.command === undefined) say(`Without Chromium the console is not tested: ${browser.advice}`);
}
ensureDependencies();
ensureBuild();

// A part of the tests cannot reach the coverage that all of them must.
const coverage = isWhole ? ['--coverage'] : [];
const { status } = spawnSync(process.execPath, ['node_modules/jest/bin/jest.js', ...coverage, ...args], {
  cwd: ROOT,
  stdio: 'inherit',
});
process.exit(status ?? 1);
