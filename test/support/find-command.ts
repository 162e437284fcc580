/** Programs that a machine may have, found as a shell finds them. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/** Full path of the first of these programs that is on PATH; undefined: none is. */
export function findCommand(...names: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter(Boolean);
  return names
    .flatMap((name) => folders.map((folder) => path.join(folder, name)))
    .find((file) => isExecutable(file));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
