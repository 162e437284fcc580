/**
 * Bytes as they lie in memory where there are very many of them. Few are text of one byte a character, on V8's heap: of
 * 1,000,000 values of 100 bytes in objects each costs 172 bytes beside key and value then, by the resident size 236; as Buffers with
 * memory of their own 336 and 573. Many are a Buffer: what that costs beside is little then, they need no copy to be read, and
 * they are not counted against the limit of V8's heap.
 */
import { ownMemory } from './own-memory';

export type HeldBytes = string | Buffer;

/** Up to this many are text: making a Buffer of them costs as much as finding an entry. More are not copied each time. */
export const TEXT_BYTES_MAX = 1024;

/** The bytes in memory of their own; what is a block of its own already is kept as it is, and not to be written into any more. */
export function holdBytes(bytes: Buffer): HeldBytes {
  return bytes.length <= TEXT_BYTES_MAX ? bytes.toString('latin1') : ownMemory(bytes);
}

/** As bytes again, not to be written into. */
export function openBytes(held: HeldBytes): Buffer {
  return typeof held === 'string' ? Buffer.from(held, 'latin1') : held;
}
