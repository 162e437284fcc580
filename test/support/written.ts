/**
 * What this process hands to the system for its sockets, one piece for each call: what arrives in one packet may have been
 * written in many.
 */
import { Socket } from 'node:net';
import { chunkText } from './chunk-text';

export interface Written {
  readonly text: string;
  readonly localPort: number | undefined;
  readonly remotePort: number | undefined;
}

type Chunk = Buffer | string;

/** Notes it from now on. `restore` ends that. */
export function noteWrites(): { take(): readonly Written[]; restore(): void } {
  let written: Written[] = [];
  const prototype = Socket.prototype;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with the socket that it is of
  const { _write: write, _writev: writev } = prototype;
  const note = (socket: Socket, chunks: readonly Chunk[]): void => {
    written.push({ text: chunkText(chunks), localPort: socket.localPort, remotePort: socket.remotePort });
  };
  prototype._write = function (this: Socket, chunk: Chunk, encoding, callback) {
    note(this, [chunk]);
    write.call(this, chunk, encoding, callback);
  };
  prototype._writev = function (
    this: Socket,
    chunks: { chunk: Chunk; encoding: BufferEncoding }[],
    callback,
  ) {
    note(
      this,
      chunks.map(({ chunk }) => chunk),
    );
    writev?.call(this, chunks, callback);
  };
  return {
    take: () => {
      const taken = written;
      written = [];
      return taken;
    },
    restore: () => {
      prototype._write = write;
      if (writev !== undefined) prototype._writev = writev;
    },
  };
}
