// Required by the gateways of a soak before the program itself: whoever connects is told how many bytes the process
// holds that are not garbage, and the connection ends. The program knows nothing of it, and nothing of it is shipped.
//
// The socket has an abstract name (Linux): no file is left behind, however the process ends. Its caller is
// `sampleProcess` in watch.ts.
const { Session } = require('node:inspector/promises');
const { createServer } = require('node:net');

async function liveBytes() {
  // Collects as thoroughly as V8 can, without a flag at start. Only while it is asked for: a session that stays
  // connected keeps what is printed to the console.
  const session = new Session();
  session.connect();
  // Twice: buffers whose owners the first finds dead are freed beside the program, and the second waits for that.
  await session.post('HeapProfiler.collectGarbage');
  await session.post('HeapProfiler.collectGarbage');
  session.disconnect();
  // What ArrayBuffers hold is a part of `external`.
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const server = createServer(async (socket) => {
  // Who has given up waiting does no harm to the program.
  socket.on('error', () => undefined);
  socket.end(String(await liveBytes()));
});
// It does not keep a process alive that has ended its work.
server.listen(`\0ringcache-memory-${process.pid}`).unref();
