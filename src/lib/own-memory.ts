/**
 * Bytes that keep nothing else alive: a small Buffer is often a view of a large block, of Node's shared pool or of the packet
 * that it came in. Kept as it is it would hold all of that block, and limits on bytes would bound nothing.
 */

/** `bytes` themselves where they are all of their block, else a copy that is. */
export function ownMemory(bytes: Buffer): Buffer {
  if (bytes.length === bytes.buffer.byteLength) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
