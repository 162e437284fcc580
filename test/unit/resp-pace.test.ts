import { Pace, type Progress } from '../../src/doors/resp/pace';

const QUIET: Progress = {
  isStranger: false,
  isSending: false,
  requests: 0,
  receivedBytes: 0,
  isReading: false,
  unreadBytes: 0,
  takenBytes: 0,
};
const CHECK_MS = 500;
const MIB = 1024 * 1024;

/** How long it goes on, in ms; undefined: for a minute at least. */
function lastsMs(progressAt: (check: number) => Partial<Progress>): number | undefined {
  const pace = new Pace();
  for (let check = 1; check * CHECK_MS <= 60_000; check++) {
    if (pace.fault(CHECK_MS, { ...QUIET, ...progressAt(check) }) !== undefined) return check * CHECK_MS;
  }
  return undefined;
}

it('nobody has to say anything between requests', () => {
  expect(lastsMs(() => ({}))).toBeUndefined();
});

it('a stranger has ten seconds, whatever it says, and ten more when it has become one again', () => {
  expect(lastsMs((check) => ({ isStranger: true, requests: check }))).toBe(10_500);
  expect(lastsMs((check) => ({ isStranger: check > 20 || check < 10 }))).toBe(20_500);
});

it('one byte a second of a request is too slow within 7 s', () => {
  const slow = lastsMs((check) => ({ isSending: true, receivedBytes: Math.floor(check / 2) }));
  expect(slow).toBeGreaterThanOrEqual(5000);
  expect(slow).toBeLessThan(7000);
});

it('a large request may take its time at 64 KiB a second', () => {
  const bytesAtCheck = 65_536 / (1000 / CHECK_MS);
  expect(lastsMs((check) => ({ isSending: true, receivedBytes: check * bytesAtCheck }))).toBeUndefined();
});

it('whole requests are progress, however small, also if there is half of another one at each look', () => {
  expect(
    lastsMs((check) => ({ isSending: true, requests: Math.floor(check / 4), receivedBytes: check })),
  ).toBeUndefined();
});

it('one byte a second of replies is too slow within 7 s', () => {
  const slow = lastsMs((check) => ({ isReading: true, takenBytes: Math.floor(check / 2) }));
  expect(slow).toBeGreaterThanOrEqual(5000);
  expect(slow).toBeLessThan(7000);
});

it('more than 32 MiB may wait only for one who takes 2 MiB/s', () => {
  const lasts = (unreadBytes: number, bytesPerSecond: number) =>
    lastsMs((check) => ({
      isReading: true,
      unreadBytes,
      takenBytes: (check * bytesPerSecond * CHECK_MS) / 1000,
    }));
  expect(lasts(33 * MIB, 2 * MIB)).toBeUndefined();
  expect(lasts(33 * MIB, MIB)).toBe(CHECK_MS);
  expect(lasts(32 * MIB, MIB)).toBeUndefined();
});
