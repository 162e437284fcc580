/** One table of settings, told in three places: `settings.ts`, `.env.example` and the README. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { mergeEnvFile, parseEnv } from '../../src/config/env';
import { envExample, settingsTable } from './settings-text';

const ROOT = path.join(__dirname, '../..');

function read(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

/** A Markdown table without the padding that a formatter chooses. */
function unpadded(text: string): string {
  return text.replace(/ *\| */g, '|').replace(/-{3,}/g, '---');
}

it('.env.example lists every setting with its sentence and default', () => {
  expect(read('.env.example')).toBe(envExample());
});

it('.env.example is a valid .env that changes nothing once it has a secret', () => {
  const secret = { JWT_SECRET: 's'.repeat(32) };
  expect(parseEnv(mergeEnvFile(read('.env.example'), secret))).toEqual(parseEnv(secret));
});

it('the README has the table of settings', () => {
  expect(unpadded(read('README.md'))).toContain(unpadded(settingsTable()));
});
