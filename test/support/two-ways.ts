/**
 * Two HTTP doors that differ in nothing but the fast path, each with a core of its own, and one conversation held with
 * both: the same bytes in the same packets, and all that comes back. What both are told in the same order leaves them
 * in the same state, so their answers must be the same to the byte.
 */
import type { CacheService } from '../../src/core/cache';
import type { Reply } from '../../src/core/command';
import { keyToText } from '../../src/core/key';
import { aroundCache } from './around-cache';
import { eventually } from './eventually';
import { type HttpDoor, type HttpDoorOptions, openHttpDoor } from './http-door';
import { openRaw, type RawClient } from './raw-http';
import type { Random } from '../torture/random';

export interface Way {
  readonly door: HttpDoor;
  /** Known to both doors under the same name. */
  readonly token: string;
}

export interface TwoWays {
  readonly fast: Way;
  readonly general: Way;
  close(): Promise<void>;
}

/** `around` is called for each of the two cores. */
export async function openTwoWays(options: HttpDoorOptions = {}): Promise<TwoWays> {
  const [fast, general] = [await openWay(true, options), await openWay(false, options)];
  return {
    fast,
    general,
    async close() {
      await Promise.all([fast, general].map(({ door }) => door.close()));
    },
  };
}

async function openWay(hasFastPath: boolean, options: HttpDoorOptions): Promise<Way> {
  const door = await openHttpDoor({ ...options, hasFastPath });
  return { door, token: door.tokenWith(['read', 'write', 'delete', 'admin']) };
}

/** What a client sees of its connection. */
export interface Seen {
  /** All bytes, as latin1, with what differs from one request to the next taken out. */
  readonly text: string;
  /** How the server has ended the connection; undefined: it has not. */
  readonly end: string | undefined;
}

/** A client that remembers every byte, for comparison. */
export interface Witness extends RawClient {
  /** Sends bytes in a record of their own, behind all that was sent before. */
  sendRecord(bytes: Buffer): Promise<void>;
  seen(): Seen;
  bytesSeen(): number;
}

/** A connection whose first request was answered, so that the next one may take the fast path. */
async function openWitness({ door, token }: Way): Promise<Witness> {
  const client = await openRaw(door.port);
  const { socket } = client;
  socket.setNoDelay(true);
  client.send(`GET /livez HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  await client.answer();
  const received: Buffer[] = [];
  let length = 0;
  let end: string | undefined;
  socket.on('data', (bytes: Buffer) => {
    received.push(bytes);
    length += bytes.length;
  });
  socket.on('end', () => (end ??= 'ended'));
  socket.on('error', ({ message }) => (end = message));
  return {
    ...client,
    sendRecord: (bytes) =>
      new Promise((resolve) => {
        // Also called when the connection has ended.
        if (!socket.destroyed && socket.writable) socket.write(bytes, () => resolve());
        else resolve();
      }),
    seen: () => ({ text: masked(Buffer.concat(received).toString('latin1')), end }),
    bytesSeen: () => length,
  };
}

const ID = /"request_id":"([^"]{1,60})"/g;

/** Ids are not all of one length, so the lengths are given as they would be without them. */
function masked(text: string): string {
  return text
    .replace(
      /Content-Length: (\d+)(\r\n(?:[^\r]+\r\n)*\r\n)/g,
      (match, length: string, rest: string, at: number) => {
        const start = at + match.length;
        const body = text.slice(start, start + Number(length));
        // That of a HEAD has none.
        if (body === '' || body.startsWith('HTTP/1.1 ')) return `Content-Length: -${rest}`;
        const idBytes = [...body.matchAll(ID)].reduce((sum, [, id = '']) => sum + id.length, 0);
        return `Content-Length: ${Number(length) - idBytes}${rest}`;
      },
    )
    .replace(/\r\nDate: [^\r]{29}\r\n/g, '\r\nDate: -\r\n')
    .replace(ID, '"request_id":"-"');
}

/** Long enough to see that nothing comes: what has been sent may be part of a request. */
const QUIET_MS = 40;
const LAST = Buffer.from('GET /the-last-request HTTP/1.1\r\nHost: localhost\r\n\r\n');

/** What each request came to in the log since there were so many lines, without what differs from one run to the next. */
function logged({ door }: Way, since: number): readonly string[] {
  return door.log.lines
    .slice(since)
    .filter(({ level }) => level === 'request')
    .map(({ fields }) => JSON.stringify({ ...fields, requestId: '', durationMs: 0, workMs: 0 }))
    .sort();
}

/**
 * Says `packets` to both ways, and one more request behind them; waits until both have said the same and are done, and have
 * the same in the log.
 * `pause`: each packet is read before the next one is sent. @throws what was different, after two seconds
 */
export async function expectSame(
  { fast, general }: TwoWays,
  packets: readonly Buffer[],
  { pause = false }: { readonly pause?: boolean } = {},
): Promise<Seen> {
  const [one, other] = await Promise.all([openWitness(fast), openWitness(general)]);
  const since = [fast.door.log.lines.length, general.door.log.lines.length] as const;
  try {
    for (const packet of packets) {
      await Promise.all([one.sendRecord(packet), other.sendRecord(packet)]);
      if (pause) await turn();
    }
    await quiet([one, other]);
    const before = [one.bytesSeen(), other.bytesSeen()];
    await Promise.all([one.sendRecord(LAST), other.sendRecord(LAST)]);
    let seen = one.seen();
    const isDone = (witness: Witness, index: number): boolean =>
      witness.seen().end !== undefined || witness.bytesSeen() > (before[index] ?? 0);
    // What is left without an answer by both is part of a request that has not ended.
    await eventually(() => isDone(one, 0) && isDone(other, 1), QUIET_MS).catch(() => undefined);
    await eventually(() => {
      seen = one.seen();
      expect(seen).toEqual(other.seen());
      expect(logged(fast, since[0])).toEqual(logged(general, since[1]));
      return true;
    }, 2000);
    return seen;
  } finally {
    one.destroy();
    other.destroy();
  }
}

/** These bytes in packets, cut in up to so many places. */
export function cutAtRandom(bytes: Buffer, random: Random, count: number): readonly Buffer[] {
  const cuts = Array.from({ length: count }, () => Math.floor(random.between(0, bytes.length)));
  cuts.sort((a, b) => a - b);
  const packets = [0, ...cuts].map((from, at) => bytes.subarray(from, cuts[at] ?? bytes.length));
  return packets.filter(({ length }) => length > 0);
}

/** Until nothing more has come for a moment. */
async function quiet(witnesses: readonly Witness[]): Promise<void> {
  let before = -1;
  let sinceMs = performance.now();
  await eventually(() => {
    const bytes = witnesses.reduce((sum, witness) => sum + witness.bytesSeen(), 0);
    const haveEnded = witnesses.every((witness) => witness.hasEnded());
    if (bytes !== before) sinceMs = performance.now();
    before = bytes;
    return (
      haveEnded || (bytes > 0 && performance.now() - sinceMs > 8) || performance.now() - sinceMs > QUIET_MS
    );
  });
}

/** So that what was sent is read by a server in the same process. */
export async function turn(): Promise<void> {
  for (let round = 0; round < 2; round++) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Cores that answer a READ of a key that begins with `held` only when it is let go. */
export function createHold() {
  const held: (() => void)[] = [];
  return {
    held,
    release(): void {
      for (const letGo of held.splice(0)) letGo();
    },
    around: (cache: CacheService): CacheService =>
      aroundCache(cache, {
        execute: (principal, command, deadlineMs) => {
          const execute = () => cache.execute(principal, command, deadlineMs);
          if (command.command !== 'READ' || !keyToText(command.key).startsWith('held')) return execute();
          return new Promise<Reply>((resolve) => held.push(() => resolve(execute())));
        },
      }),
  };
}
