/** Takes a snapshot that cannot be used out of the way, so that somebody can look at it and nobody overwrites it. */
import { promises as fs } from 'node:fs';
import { BadSnapshot } from './format';

/** More than anybody keeps; whoever restarts for ever with a bad file is told so instead of filling the folder. */
const ASIDE_MAX = 1000;

/**
 * Renames it to `<file>.damaged-<n>`, the first of those names that is free, and gives that. A folder or a device that the
 * setting names by mistake is in use by somebody else, and stays where it is.
 * @throws BadSnapshot when there are too many or it is no file, and what the file system says
 */
export async function setAside(file: string): Promise<string> {
  if (!(await fs.stat(file)).isFile()) throw new BadSnapshot('it is no file');
  for (let count = 1; count <= ASIDE_MAX; count += 1) {
    const aside = `${file}.damaged-${count}`;
    if (await exists(aside)) continue;
    await fs.rename(file, aside);
    return aside;
  }
  throw new BadSnapshot(`there are ${ASIDE_MAX} damaged ones beside it already`);
}

async function exists(path: string): Promise<boolean> {
  try {
    await fs.lstat(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Whether a call to the file system failed with this code. */
export function isErrno(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
