/**
 * What a long body is made of, before it is parsed: a few megabytes of `[{},{},…]` keep JSON.parse, and with it all
 * other callers, busy for seconds, where as much in strings is nothing.
 */
import { CacheError } from './errors';
import { endOfString } from './json-text';

/** Parsing anything shorter takes a millisecond or two, whatever it is made of. */
const SHORT_LENGTH = 64 * 1024;
/** Elements and fields of all objects and arrays together; parsing so many takes about a tenth of a second. */
const PARTS_MAX = 250_000;

const QUOTE = 34;
const COMMA = 44;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/** What was seen so far of texts that count together: characters, and parts of those that were looked at. */
export interface JsonTally {
  length: number;
  parts: number;
}

/**
 * `tally`: of the texts before this one that came with it, to which it is added. Linear, and about as fast as reading the text once. Says nothing of whether it is JSON.
 * @throws CacheError `too_large`: more parts than `PARTS_MAX`; `bad_request`: nested deeper than `depthMax`.
 */
export function checkStructure(
  json: string,
  depthMax: number,
  tally: JsonTally = { length: 0, parts: 0 },
): void {
  tally.length += json.length;
  if (tally.length <= SHORT_LENGTH) return;
  let depth = 0;
  let at = 0;
  while (at < json.length) {
    switch (json.charCodeAt(at++)) {
      case QUOTE:
        at = endOfString(json, at);
        break;
      case OPEN_BRACKET:
      case OPEN_BRACE:
        tally.parts++;
        if (++depth > depthMax) throw new CacheError('bad_request', 'The JSON is nested too deeply.');
        break;
      case CLOSE_BRACKET:
      case CLOSE_BRACE:
        depth--;
        break;
      case COMMA:
        tally.parts++;
    }
    if (tally.parts > PARTS_MAX) {
      throw new CacheError('too_large', `The JSON has more than ${PARTS_MAX} elements and fields.`);
    }
  }
}
