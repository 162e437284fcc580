/**
 * Replies of Redis in which values of ours may lie: they are stored in envelopes where they are encrypted, are JSON, or
 * begin as an envelope does (`core/value.ts`), and a caller is given what is in them. A reply without an envelope is
 * passed on as it came, not copied.
 */
import type { Key } from '../../core/command';
import { toCacheError } from '../../core/errors';
import { hasMagic, MAGIC } from '../../core/value';
import { replyEnd } from '../../lib/whole-reply';
import { encodeBulk } from './encoder';
import { errorReply } from './errors';

const BULK = 0x24;
const ARRAY = 0x2a;

/** Where in a reply there are values, and under which keys they were. */
export type ValuePlaces =
  /** The reply is the value of this key. */
  | { readonly kind: 'value'; readonly key: Key }
  /** It is an array of the values of these keys, in their order. */
  | { readonly kind: 'values'; readonly keys: readonly Key[] }
  /** It is EXEC's array: places within each of its replies; undefined: none. */
  | { readonly kind: 'replies'; readonly places: readonly (ValuePlaces | undefined)[] };

/** Gives what lies in an envelope. @throws CacheError `corrupt_value` */
export type ValueOpener = (key: Key, stored: Buffer) => Buffer;

/**
 * The reply with its values opened. One that cannot be opened becomes an error reply in its place. What has another form
 * than was expected, as an error or a null has, stays as it is.
 *
 * @param reply whole and well-formed
 */
export function openValues(reply: Buffer, places: ValuePlaces, open: ValueOpener): Buffer {
  switch (places.kind) {
    case 'value':
      return openBulk(reply, places.key, open);
    case 'values':
      return mapElements(reply, places.keys.length, (element, index) => {
        const key = places.keys[index];
        return key === undefined ? element : openBulk(element, key, open);
      });
    case 'replies':
      return mapElements(reply, places.places.length, (element, index) => {
        const within = places.places[index];
        return within === undefined ? element : openValues(element, within, open);
      });
  }
}

function openBulk(reply: Buffer, key: Key, open: ValueOpener): Buffer {
  if (reply[0] !== BULK) return reply;
  const at = reply.indexOf('\r\n') + 2;
  const stored = reply.subarray(at, -2);
  if (!hasMagic(stored)) return reply;
  try {
    return encodeBulk(open(key, stored));
  } catch (thrown) {
    return errorReply(toCacheError(thrown));
  }
}

/** The array with each of its elements replaced; itself where none was. */
function mapElements(
  reply: Buffer,
  count: number,
  change: (element: Buffer, index: number) => Buffer,
): Buffer {
  // Seldom is there an envelope at all, and a search costs less than a walk over the elements.
  if (reply[0] !== ARRAY || !reply.includes(MAGIC)) return reply;
  let at = reply.indexOf('\r\n') + 2;
  const parts = [reply.subarray(0, at)];
  let hasChanged = false;
  for (let index = 0; index < count && at < reply.length; index += 1) {
    const end = replyEnd(reply, at);
    const element = reply.subarray(at, end);
    const changed = change(element, index);
    hasChanged ||= changed !== element;
    parts.push(changed);
    at = end;
  }
  parts.push(reply.subarray(at));
  return hasChanged ? Buffer.concat(parts) : reply;
}
