/** The closed list of errors, told in two places: the code and the README. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { HTTP_STATUS } from '../../src/doors/http/respond';

it('the README lists every error code with its HTTP status, and no other', () => {
  const readme = readFileSync(path.join(__dirname, '../../README.md'), 'utf8');
  const told = [...readme.matchAll(/^\| *`([a-z_]+)`[^|]*\| *(\d{3})\b/gm)].map(([, code, status]) => [
    code,
    Number(status),
  ]);
  expect(Object.fromEntries(told)).toEqual(HTTP_STATUS);
});
