/** Patterns as Redis matches them (`stringmatchlen`): `*`, `?`, `[abc]`, `[^a-c]`, and `\` before what stands for itself. */

/** Takes steps in proportion to the lengths of both multiplied, whatever the pattern. */
export function matchesGlob(pattern: string, text: string): boolean {
  let at = 0;
  let place = 0;
  /** Where the last star is, and up to where it is taken to reach. */
  let star = -1;
  let reach = 0;
  while (place < text.length) {
    const one = pattern[at] === '*' ? undefined : matchOne(pattern, at, text[place] ?? '');
    if (one !== undefined) {
      at = one;
      place += 1;
    } else if (pattern[at] === '*') {
      star = at;
      reach = place;
      at += 1;
    } else if (star >= 0) {
      reach += 1;
      place = reach;
      at = star + 1;
    } else return false;
  }
  while (pattern[at] === '*') at += 1;
  return at >= pattern.length;
}

/** Behind the part of the pattern that the character fits; undefined: it does not. */
function matchOne(pattern: string, at: number, character: string): number | undefined {
  const sign = pattern[at];
  if (sign === undefined) return undefined;
  if (sign === '?') return at + 1;
  if (sign === '[') return matchClass(pattern, at + 1, character);
  if (sign === '\\' && at + 1 < pattern.length) return pattern[at + 1] === character ? at + 2 : undefined;
  return sign === character ? at + 1 : undefined;
}

function matchClass(pattern: string, from: number, character: string): number | undefined {
  const isNegated = pattern[from] === '^';
  let isIn = false;
  let at = isNegated ? from + 1 : from;
  // A class that is not closed reaches to the end.
  for (; at < pattern.length && pattern[at] !== ']'; at += 1) {
    if (pattern[at] === '\\' && at + 1 < pattern.length) at += 1;
    const low = pattern[at] ?? '';
    if (pattern[at + 1] === '-' && at + 2 < pattern.length) {
      at += 2;
      const high = pattern[at] ?? '';
      isIn ||= (low <= character && character <= high) || (high <= character && character <= low);
    } else isIn ||= low === character;
  }
  return isIn === isNegated ? undefined : at + 1;
}
