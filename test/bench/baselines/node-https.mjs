// The least that any Node service must do for `POST /cache`: take a body over TLS, parse its JSON, look a key up in
// an LRU, answer JSON. No token, no validation, no routes, no log, two headers. Port, certificate and key are its
// arguments.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { LRUCache } from 'lru-cache';
import { KEYS, keyOf, valueOf } from '../lib/workload.mjs';

const [port, certFile, keyFile] = process.argv.slice(2);

const entries = new LRUCache({ max: KEYS });
for (let index = 0; index < KEYS; index++) entries.set(keyOf(index), valueOf(index));

function look({ command, key }) {
  return { command, status: 'SUCCESS', value: entries.get(key) };
}

createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, (request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = JSON.parse((chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)).toString());
    const text = JSON.stringify(Array.isArray(body) ? body.map(look) : look(body));
    response.writeHead(200, [
      'Content-Type',
      'application/json; charset=utf-8',
      'Content-Length',
      String(Buffer.byteLength(text)),
    ]);
    response.end(text);
  });
}).listen(Number(port), '127.0.0.1');
