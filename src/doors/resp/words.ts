/** The small parts of commands that Redis reads in a way of its own, and that have to be read here in the same way. */

/**
 * Whether the word is this option, which is in lower case. Redis compares options as C does: whatever their case, and up
 * to a NUL. `GET\0x` is GET to it, so it must be to whoever judges what the command may do.
 */
export function isOption(word: Buffer | undefined, option: string): boolean {
  if (word === undefined || word.length < option.length) return false;
  if (word.length > option.length && word[option.length] !== 0) return false;
  for (let at = 0; at < option.length; at += 1) {
    const byte = word[at] ?? 0;
    const folded = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
    if (folded !== option.charCodeAt(at)) return false;
  }
  return true;
}

/** A whole number as Redis takes it: no plus, no blanks, no leading zeros. undefined: it is none, or far too large. */
export function parseInteger(word: Buffer | undefined): number | undefined {
  if (word === undefined || word.length > 15) return undefined;
  const text = word.toString('latin1');
  return /^(0|-?[1-9]\d*)$/.test(text) ? Number(text) : undefined;
}
