import { ORIGIN_AGE_MS_MAX, Origins, ORIGINS_MAX } from '../../src/replication/origins';

const A = 'aa'.repeat(8);
const B = 'bb'.repeat(8);

describe('the version vector', () => {
  let origins: Origins;
  beforeEach(() => {
    origins = new Origins();
  });
  const receive = (...numbers: number[]): void => {
    for (const seq of numbers) origins.received(A, seq, 0);
  };

  test('what came is reached only up to the first gap, and from there on when that is filled', () => {
    receive(1, 2, 5, 4, 8);
    expect(origins.reachedOf(A)).toBe(2);
    expect(origins.gaps()).toEqual([A]);
    receive(3);
    expect(origins.reachedOf(A)).toBe(5);
    receive(7, 6);
    expect(origins.reachedOf(A)).toBe(8);
    expect(origins.hasGap(A)).toBe(false);
  });

  test('any order, with repetitions, comes to the same', () => {
    for (let round = 0; round < 200; round += 1) {
      const some = new Origins();
      const numbers = Array.from({ length: 40 }, (_, at) => (at % 20) + 1);
      for (let at = numbers.length - 1; at > 0; at -= 1) {
        const other = (round * 7919 + at * 104729) % (at + 1);
        [numbers[at], numbers[other]] = [numbers[other] ?? 0, numbers[at] ?? 0];
      }
      for (const seq of numbers) some.received(A, seq, 0);
      expect(some.reachedOf(A)).toBe(20);
    }
  });

  test('what somebody tells of is missing until it is here', () => {
    receive(1);
    origins.toldAll([{ origin: A, seq: 3, ageMs: 0 }], 0);
    expect(origins.hasGap(A)).toBe(true);
    receive(2, 3);
    expect(origins.hasGap(A)).toBe(false);
  });

  test('a merged vector fills gaps, together with what had come around them', () => {
    receive(1, 5, 6);
    origins.merge([{ origin: A, seq: 4, ageMs: 0 }], 0);
    expect(origins.reachedOf(A)).toBe(6);
    origins.merge([{ origin: A, seq: 2, ageMs: 0 }], 0);
    expect(origins.reachedOf(A)).toBe(6);
  });

  test('a vector includes another one when it has all of it', () => {
    receive(1, 2);
    expect(origins.includes([{ origin: A, seq: 2, ageMs: 0 }], 0)).toBe(true);
    expect(origins.includes([{ origin: A, seq: 3, ageMs: 0 }], 0)).toBe(false);
    expect(origins.includes([{ origin: B, seq: 1, ageMs: 0 }], 0)).toBe(false);
  });

  test('around more gaps than are kept, what is behind is taken for not received, and nothing is lost', () => {
    const numbers = Array.from({ length: 500 }, (_, at) => (at + 1) * 2);
    receive(...numbers);
    origins.merge([{ origin: A, seq: 1000, ageMs: 0 }], 0);
    expect(origins.reachedOf(A)).toBe(1000);
  });

  test('the age of an origin travels with it, so two gateways do not keep an old one alive', () => {
    const other = new Origins();
    receive(1);
    const nowMs = ORIGIN_AGE_MS_MAX - 1000;
    other.merge(origins.vector(nowMs), nowMs);
    expect(other.vector(nowMs)).toEqual([{ origin: A, seq: 1, ageMs: nowMs }]);
    expect(other.vector(nowMs + 2000)).toEqual([]);
    expect(origins.vector(nowMs + 2000)).toEqual([]);
  });

  test('of too many origins the ones that were heard last stay, and the others are not missed', () => {
    const name = (at: number): string => at.toString(16).padStart(16, '0');
    for (let at = 0; at < ORIGINS_MAX + 100; at += 1) origins.received(name(at), 1, at);
    const nowMs = ORIGINS_MAX + 100;
    const vector = origins.vector(nowMs);
    expect(vector).toHaveLength(ORIGINS_MAX);
    expect(vector.some(({ origin }) => origin === name(0))).toBe(false);
    expect(origins.includes([{ origin: name(0), seq: 1, ageMs: nowMs }], nowMs)).toBe(true);
    expect(origins.includes([{ origin: name(9999), seq: 1, ageMs: 0 }], nowMs)).toBe(false);
  });
});
