/** What chunks of output say, each byte a character. */
export function chunkText(chunks: readonly (Buffer | string)[]): string {
  return chunks.map((chunk) => (typeof chunk === 'string' ? chunk : chunk.toString('latin1'))).join('');
}
