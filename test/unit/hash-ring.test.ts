import { createHash } from 'node:crypto';
import Hashring from 'hashring';
import type { Key } from '../../src/core/command';
import { keyFromText } from '../../src/core/key';
import { HashRing } from '../../src/engines/hash-ring';

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `shard-${n + 1}`);
const keys = (count: number): Key[] => Array.from({ length: count }, (_, n) => `key:${n}` as Key);

it('places keys exactly as npm hashring does', () => {
  const all = names(5);
  const ours = new HashRing(all, 'ketama');
  const theirs = new Hashring(all);
  for (const key of [...keys(5000), keyFromText('ключ'), keyFromText('🔑')]) {
    const text = Buffer.from(key, 'latin1').toString('utf8');
    expect(all[ours.ownerOf(ours.pointOf(key))]).toBe(theirs.get(text));
  }
});

it('the order in which the names are given does not matter', () => {
  const forward = names(5);
  const backward = [...forward].reverse();
  const [a, b] = [new HashRing(forward, 'ketama'), new HashRing(backward, 'ketama')];
  for (const key of keys(1000)) {
    expect(forward[a.ownerOf(a.pointOf(key))]).toBe(backward[b.ownerOf(b.pointOf(key))]);
  }
});

it('hash tags pin keys together, and empty or open braces are ordinary text', () => {
  const ring = new HashRing(names(7), 'ketama');
  const pointOf = (text: string): number => ring.pointOf(text as Key);
  expect(pointOf('{user:1}:name')).toBe(pointOf('{user:1}:mail'));
  expect(pointOf('{user:1}:name')).toBe(pointOf('user:1'));
  expect(pointOf('a{user:1}{b}')).toBe(pointOf('user:1'));
  expect(new Set([pointOf('{}a'), pointOf('{}b'), pointOf('{a'), pointOf('a}'), pointOf('a')]).size).toBe(5);
});

it('twemproxy placement knows no tags', () => {
  const ring = new HashRing(names(7), 'twemproxy');
  expect(ring.pointOf('{user:1}:name' as Key)).not.toBe(ring.pointOf('{user:1}:mail' as Key));
});

/** twemproxy's ketama, written down a second time: 160 points a name, a key belongs to the next one clockwise. */
function ownerByTwemproxy(all: readonly string[], key: string): string {
  const md5 = (text: string): Buffer => createHash('md5').update(text).digest();
  const points = all.flatMap((name) =>
    Array.from({ length: 40 }, (_, n) => md5(`${name}-${n}`)).flatMap((digest) =>
      [0, 4, 8, 12].map((at) => ({ point: digest.readUInt32LE(at), name })),
    ),
  );
  points.sort((a, b) => a.point - b.point);
  const hash = md5(key).readUInt32LE(0);
  return (points.find(({ point }) => point >= hash) ?? points[0]!).name;
}

it.each([1, 3, 7, 14, 28])('twemproxy placement over %d names is twemproxy’s', (count) => {
  const all = names(count);
  const ring = new HashRing(all, 'twemproxy');
  for (const key of keys(100)) expect(all[ring.ownerOf(ring.pointOf(key))]).toBe(ownerByTwemproxy(all, key));
});

it('over 7 names npm hashring’s own placement is another one', () => {
  const all = names(7);
  const ring = new HashRing(all, 'ketama');
  const differs = keys(2000).some(
    (key) => all[ring.ownerOf(ring.pointOf(key))] !== ownerByTwemproxy(all, key),
  );
  expect(differs).toBe(true);
});

it('a succession names everyone once, the owner first', () => {
  const ring = new HashRing(names(5), 'ketama');
  for (const key of keys(200)) {
    const point = ring.pointOf(key);
    const order = ring.succession(point);
    expect([...order].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(order[0]).toBe(ring.ownerOf(point));
  }
});

it('who is next in a succession is who a ring without the first would choose', () => {
  const all = names(5);
  const ring = new HashRing(all, 'ketama');
  for (const key of keys(500)) {
    const [first, second] = ring.succession(ring.pointOf(key));
    const rest = all.filter((_, index) => index !== first);
    const smaller = new HashRing(rest, 'ketama');
    expect(rest[smaller.ownerOf(smaller.pointOf(key))]).toBe(all[second!]);
  }
});

it('hostile keys are placed like any other, and leave Object.prototype alone', () => {
  const before = Object.getOwnPropertyNames(Object.prototype).sort();
  const ring = new HashRing(names(3), 'ketama');
  for (const key of ['__proto__', 'constructor', 'toString', '', '\0', 'ÿ'] as Key[]) {
    expect([0, 1, 2]).toContain(ring.ownerOf(ring.pointOf(key)));
  }
  expect(Object.getOwnPropertyNames(Object.prototype).sort()).toEqual(before);
});

it.each(['ketama', 'twemproxy'] as const)('%s: the arcs say of each point what its owner is', (hash) => {
  const ring = new HashRing(names(5), hash);
  const arcs = ring.arcs();
  const ends = arcs.map(({ lastPoint }) => lastPoint);
  expect(ends).toEqual([...ends].sort((a, b) => a - b));
  const points = [0, 1, 2 ** 32 - 1, ...ends, ...ends.map((end) => end + 1), ...ends.map((end) => end - 1)];
  for (const point of points) {
    expect((arcs.find(({ lastPoint }) => point <= lastPoint) ?? arcs[0])?.owner).toBe(ring.ownerOf(point));
  }
});
