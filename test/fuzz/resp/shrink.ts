/** Makes a failing case as small as it can: whole units first, then the packets, then bytes. */
import type { FuzzCase } from './fuzz-case';

/** Attempts at most: each costs two connections and some silence. */
const ATTEMPTS_MAX = 150;

const SHRUNK_BYTES_MAX = 10_000;

/** The smallest found for which `fails` still holds. */
export async function shrink(
  fuzzCase: FuzzCase,
  fails: (candidate: FuzzCase) => Promise<boolean>,
): Promise<FuzzCase> {
  let smallest = fuzzCase;
  let attemptsLeft = ATTEMPTS_MAX;
  const attempt = async (candidate: FuzzCase): Promise<boolean> => {
    if (attemptsLeft === 0) return false;
    attemptsLeft -= 1;
    if (!(await fails(candidate))) return false;
    smallest = candidate;
    return true;
  };

  await attempt({ ...smallest, cuts: [] });
  for (let size = smallest.units.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < smallest.units.length;) {
      const units = smallest.units.filter((_, index) => index < at || index >= at + size);
      if (units.length === 0 || !(await attempt({ ...smallest, units }))) at += size;
    }
  }
  for (let index = 0; index < smallest.units.length; index += 1) {
    // Requests whose replies are compared to the letter stay whole: a part of one is another one.
    // So does what is about the limit of lines, near which it is chance what Redis does.
    const bytes = smallest.units[index]?.bytes.length ?? 0;
    if (smallest.units[index]?.likeness !== 'class' || bytes > SHRUNK_BYTES_MAX) continue;
    for (let size = bytes >> 1; size >= 1; size >>= 1) {
      for (let at = 0; at < (smallest.units[index]?.bytes.length ?? 0);) {
        const units = smallest.units.map((unit, place) =>
          place === index
            ? { ...unit, bytes: Buffer.concat([unit.bytes.subarray(0, at), unit.bytes.subarray(at + size)]) }
            : unit,
        );
        if (!(await attempt({ ...smallest, units }))) at += size;
      }
    }
  }
  return smallest;
}
