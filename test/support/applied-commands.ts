/** The true order of writes: what a Redis applied, as its append-only files tell. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { RedisProcess } from './redis';

export interface AppliedCommand {
  /** In capitals: `SET`, `DEL`, `UNLINK`, `PEXPIREAT` … */
  readonly name: string;
  /** Each byte is one UTF-16 unit. Empty for `FLUSHALL` and `FLUSHDB`. */
  readonly key: string;
  /** What was set, or the second argument of another command. */
  readonly value?: Buffer;
}

const FOLDER = 'appendonlydir';
const MANIFEST = 'appendonly.aof.manifest';
const WITHOUT_KEY = new Set(['SELECT', 'MULTI', 'EXEC', 'PUBLISH', 'SPUBLISH', 'REPLCONF', 'PING']);

/**
 * What the node has applied, in its order, also when it has been killed: its own clients' writes, what its master
 * sent, and the DELs of expired keys. A command on several keys is told once for each. Effects are told, not causes:
 * a `SET` with a life carries `PXAT`, a script its writes. After a full synchronization the list begins with one SET
 * for each key that was there. The node must have been started with `appendOnly`.
 */
export async function appliedCommands(node: Pick<RedisProcess, 'folder'>): Promise<AppliedCommand[]> {
  const folder = path.join(node.folder, FOLDER);
  const manifest = await readFile(path.join(folder, MANIFEST), 'utf8');
  const files = [...manifest.matchAll(/^file (\S+) seq \d+ type ([bi])$/gm)];
  const texts = await Promise.all(files.map(([, file]) => readFile(path.join(folder, file!))));
  return texts.flatMap((text) => [...commandsIn(text)]).flatMap(effectsOf);
}

/** `*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n` and so on; a command that was cut short by a SIGKILL was not applied for anybody. */
function* commandsIn(file: Buffer): Generator<Buffer[]> {
  let at = 0;
  const readLine = (prefix: string): string | undefined => {
    const end = file.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const line = file.toString('latin1', at, end);
    if (!line.startsWith(prefix)) throw new Error(`byte ${at} of an append-only file: ${line.slice(0, 50)}`);
    at = end + 2;
    return line.slice(prefix.length);
  };
  while (at < file.length) {
    // Lines that begin with # are remarks, as of the time (aof-timestamp-enabled).
    if (file[at] === 0x23) {
      readLine('#');
      continue;
    }
    const words: Buffer[] = [];
    const count = Number(readLine('*') ?? 0);
    for (let index = 0; index < count; index++) {
      const length = readLine('$');
      if (length === undefined || at + Number(length) + 2 > file.length) return;
      words.push(file.subarray(at, at + Number(length)));
      at += Number(length) + 2;
    }
    if (words.length === 0) return;
    yield words;
  }
}

function effectsOf([first, ...args]: Buffer[]): AppliedCommand[] {
  const name = first!.toString('latin1').toUpperCase();
  if (WITHOUT_KEY.has(name)) return [];
  const keys = args.map((arg) => arg.toString('latin1'));
  if (name === 'FLUSHALL' || name === 'FLUSHDB') return [{ name, key: '' }];
  if (name === 'DEL' || name === 'UNLINK') return keys.map((key) => ({ name, key }));
  if (name === 'MSET') {
    return keys.flatMap((key, index) =>
      index % 2 === 0 ? [{ name: 'SET', key, value: args[index + 1]! }] : [],
    );
  }
  const value = args[1];
  return [{ name, key: keys[0] ?? '', ...(value === undefined ? {} : { value }) }];
}
