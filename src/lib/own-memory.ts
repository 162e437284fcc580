/**
 * Bytes and text that keep nothing else alive: a small Buffer is often a view of a large block, of Node's shared pool or of the
 * packet that it came in, and text that was cut out of other text is for V8 a window into that. Kept as it is it would hold
 * all of it, and limits on bytes would bound nothing.
 */

/** `bytes` themselves where they are all of their block, else a copy that is. */
export function ownMemory(bytes: Buffer): Buffer {
  if (bytes.length === bytes.buffer.byteLength) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

/** A copy of text of one byte a character. */
export function ownText<T extends string>(text: T): T {
  return Buffer.from(text, 'latin1').toString('latin1') as T;
}
