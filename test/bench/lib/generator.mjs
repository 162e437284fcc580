// The load where wrk is not installed: the same requests from the same file over as many connections, each sending
// its next one when the reply to its last is whole. Slower than wrk, so it saturates earlier. Prints what wrk.lua
// prints. Arguments: port, seconds, connections, file of requests, certificate.
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { ReplyReader } from './exchange.mjs';

const [port, seconds, connections, file, certFile] = process.argv.slice(2);
const requests = parseRequests(readFileSync(file));
const ca = readFileSync(certFile);

const startedMs = performance.now();
const endMs = startedMs + Number(seconds) * 1000;
const latenciesMs = [];
let bytes = 0;
let failures = 0;
let next = 0;

await Promise.all(Array.from({ length: Number(connections) }, keepAsking));

latenciesMs.sort((a, b) => a - b);
console.log(
  JSON.stringify({
    requests: latenciesMs.length,
    bytes,
    elapsedMs: performance.now() - startedMs,
    p50Ms: latenciesMs[Math.floor(latenciesMs.length * 0.5)],
    p99Ms: latenciesMs[Math.floor(latenciesMs.length * 0.99)],
    failures,
  }),
);
process.exit();

/** One connection until the time is over. A connection that breaks is a failure and is not opened again. */
function keepAsking() {
  return new Promise((resolve) => {
    const reader = new ReplyReader();
    const socket = connect({ port: Number(port), host: '127.0.0.1', servername: 'localhost', ca });
    let askedMs = 0;
    const askNext = () => {
      askedMs = performance.now();
      socket.write(requests[next++ % requests.length]);
    };
    const onReply = (reply) => {
      const nowMs = performance.now();
      if (reply.status !== 200) failures++;
      bytes += reply.bytes;
      latenciesMs.push(nowMs - askedMs);
      if (nowMs >= endMs) socket.end();
      else askNext();
    };
    socket.setTimeout(2_000, () => socket.destroy(new Error('no answer')));
    socket.on('secureConnect', askNext);
    socket.on('data', (packet) => reader.push(packet, onReply));
    socket.on('error', () => failures++);
    socket.on('close', resolve);
  });
}

function parseRequests(content) {
  const found = [];
  for (let at = 0; at < content.length;) {
    const lineEnd = content.indexOf('\n', at);
    const length = Number(content.latin1Slice(at, lineEnd));
    found.push(content.subarray(lineEnd + 1, lineEnd + 1 + length));
    at = lineEnd + 1 + length + 1;
  }
  return found;
}
