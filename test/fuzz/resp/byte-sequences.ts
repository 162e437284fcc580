/** Bytes that are no valid requests, or hardly: each way of making them goes wrong in another place of a parser. */
import type { Random } from '../../torture/random';
import { encodeInline, encodeRequest, keysOf, type FuzzCase, type FuzzUnit } from './fuzz-case';

/** Commands that change nothing which outlives the case: all keys are the lane's, and none blocks. */
const VOCABULARY: readonly string[] = `
GET k|SET k v|SET k v EX 100|SET k v NX GET|GETSET k v|APPEND k v|STRLEN k|INCR k|INCRBY k 5|DEL k k|EXISTS k|MGET k k k|MSET k v k v
EXPIRE k 100|TTL k|TYPE k|PERSIST k|LPUSH k v v|RPOP k|LRANGE k 0 -1|HSET k v v|HGET k v|HGETALL k|SADD k v|SMEMBERS k|ZADD k 1 v
ZRANGE k 0 -1 WITHSCORES|XADD k 1-1 v v|XLEN k|GETRANGE k 0 3|SETEX k 100 v|OBJECT ENCODING k|NOSUCH v v|PING|PING v|ECHO v|HELLO
HELLO 2|HELLO 3|MULTI|EXEC|DISCARD|WATCH k|UNWATCH|QUIT|RESET|SELECT 0|CLIENT GETNAME|CLIENT SETNAME v`
  .trim()
  .split(/[|\n]/);

const VALUES = ['v', '1', '', '12', 'a b', '\r\n', '*1\r\n', '\0', '\xc3\xa9'];

const NUMBERS: readonly string[] = [
  ...'0 1 2 3 4 5 9 10 11 100 -1 -2 -0 00 01 +1 - 1.0 1e1 0x1 a $1 *1 --1 16384 16385'.split(' '),
  ...'2147483647 2147483648 4294967296 8388608 536870913 9223372036854775807 9223372036854775808'.split(' '),
  ...'-9223372036854775808 -9223372036854775809 18446744073709551616 10000000000000000000000'.split(' '),
  ...['', ' 1', '1 ', '\0', '1\0', '\x001', '\xb2'],
];

const LINE_ENDS = ['\n', '\r', '\r\r\n', '\rX', '\n\r', '', '\0\r\n', ...Array<string>(12).fill('\r\n')];
const SPECIAL = Array.from('*$"\'\\ -09\0\r\n\t\v\xff');
const SIGNS = ['', ...Array.from('*:+-x\r\n\xff\0')];
const PIECES_OF_LINES = [
  ...'a|GET|PING|SET| |  |\t|\v|\f|\r|"|\'|""|\'\'|" |\' |*1|$4|\0|\xff|:'.split('|'),
  ...'\\|\\x|\\x4|\\x41|\\n|\\\'|\\"'.split('|'),
  ...['POST', 'post', 'Host:', 'host: '],
];
const NOISE = Array.from('*$\r\n0123456789-+ "\'\\xGETPINGkv\0\xff');

type Maker = (random: Random, lane: number) => readonly string[];

/** Ways of making them, each as often as it is named. Each gives pieces. */
const MAKERS: readonly Maker[] = [mutated, mutated, mutated, nearMiss, nearMiss, lines, noise, small];

/** None of the commands blocks, so both servers are done at once. */
const QUIET_MS = 30;

/** Of so many cases one has something longer than a line may be. */
const LONG_EVERY = 400;

export function makeSequence(random: Random, lane: number, index: number): FuzzCase {
  const pieces = index % LONG_EVERY === 0 ? long(random) : random.pick(MAKERS)(random, lane);
  return {
    name: `sequence ${index}`,
    units: pieces.map((piece): FuzzUnit => ({ bytes: Buffer.from(piece, 'latin1'), likeness: 'class' })),
    quietMs: QUIET_MS,
    // Bytes that were changed may spell the key of another lane.
    ownsItsKeys: false,
    isAuthenticated: random.chance(0.85),
    cuts: makeCuts(random),
  };
}

/** Half of all cases come in one packet. */
export function makeCuts(random: Random): readonly number[] {
  return random.chance(0.5) ? [] : times(random, 1, 4, () => random.next());
}

/** Valid requests with a few bytes changed. */
function mutated(random: Random, lane: number): readonly string[] {
  const requests = times(random, 1, 5, () => request(random, lane));
  for (let count = 1 + Math.floor(random.between(0, 3)); count > 0; count -= 1) {
    const at = Math.floor(random.between(0, requests.length));
    requests[at] = mutate(random, requests[at] ?? '');
  }
  return requests;
}

function mutate(random: Random, text: string): string {
  const at = Math.floor(random.between(0, text.length + 1));
  const until = Math.min(text.length, at + 1 + Math.floor(random.between(0, 6)));
  switch (Math.floor(random.between(0, 7))) {
    case 0:
      return text.slice(0, at) + String.fromCharCode(Math.floor(random.between(0, 256))) + text.slice(at + 1);
    case 1:
      return text.slice(0, at) + random.pick(SPECIAL) + text.slice(at);
    case 2:
      return text.slice(0, at) + text.slice(until);
    case 3:
      return text.slice(0, until) + text.slice(at);
    case 4:
      return text.slice(0, at);
    case 5:
      return replaceOne(random, text, /[*$]\d+/g, (found) => found.charAt(0) + random.pick(NUMBERS));
    default:
      return replaceOne(random, text, /\r\n/g, () => random.pick(LINE_ENDS));
  }
}

function replaceOne(
  random: Random,
  text: string,
  pattern: RegExp,
  change: (found: string) => string,
): string {
  const all = [...text.matchAll(pattern)];
  if (all.length === 0) return text;
  const { index, 0: found } = random.pick(all);
  return text.slice(0, index) + change(found) + text.slice(index + found.length);
}

/** The grammar of arrays, with numbers and ends of lines that may be wrong. */
function nearMiss(random: Random, lane: number): readonly string[] {
  return times(random, 1, 3, () => {
    const words = random
      .pick(VOCABULARY)
      .split(' ')
      .map((word) => fill(random, lane, word));
    const count = random.chance(0.6) ? String(words.length) : random.pick(NUMBERS);
    const bulks = words.map((word) => {
      const length = random.chance(0.8) ? String(word.length) : random.pick(NUMBERS);
      const sign = random.chance(0.95) ? '$' : random.pick(SIGNS);
      return `${sign}${length}${end(random)}${word}${end(random)}`;
    });
    return `*${count}${end(random)}${bulks.join('')}`;
  });
}

function end(random: Random): string {
  return random.chance(0.9) ? '\r\n' : random.pick(LINE_ENDS);
}

function lines(random: Random): readonly string[] {
  return times(random, 1, 6, () => {
    const words = times(random, 0, 8, () => random.pick(PIECES_OF_LINES)).join(random.pick(['', '', ' ']));
    return words + random.pick(LINE_ENDS);
  });
}

function noise(random: Random): readonly string[] {
  return [times(random, 1, 200, () => String.fromCharCode(Math.floor(random.between(0, 256)))).join('')];
}

function small(random: Random): readonly string[] {
  return [times(random, 1, 80, () => random.pick(NOISE)).join('')];
}

/**
 * Lines at the limit. Whether Redis takes one that is a little longer depends on how its reads fell, so those that are
 * too long are so by far, and have no end.
 */
function long(random: Random): readonly string[] {
  const fill = random.pick(['1', 'a', '\0', ' ']);
  const text = fill.repeat(random.chance(0.5) ? 65_000 : 200_000);
  return [random.pick(['', '*', '*1\r\n$', '*1\r\n', 'PING\r\n', '"']) + text];
}

function request(random: Random, lane: number): string {
  const words = random
    .pick(VOCABULARY)
    .split(' ')
    .map((word) => fill(random, lane, word));
  return (random.chance(0.75) ? encodeRequest(words) : encodeInline(words)).toString('latin1');
}

function fill(random: Random, lane: number, word: string): string {
  if (word === 'k') return random.pick(keysOf(lane));
  return word === 'v' ? random.pick(VALUES) : word;
}

/** From `low` to `high` of them. */
function times<T>(random: Random, low: number, high: number, make: () => T): T[] {
  return Array.from({ length: Math.floor(random.between(low, high + 1)) }, make);
}
