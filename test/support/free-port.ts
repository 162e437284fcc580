/** Loopback ports for servers that tests kill and start again on the same port. */
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the range from which kernels take the ports of outgoing connections (32768 up on Linux), so that nobody
 * takes the port while a killed server is away.
 */
const PORT_MIN = 15_000;
const PORT_MAX = 32_000;

/** A port that nobody listened on a moment ago. Another process may still be quicker: start again with another. */
export async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (await isFree(port)) return port;
  }
  throw new Error('no free port found in 100 attempts');
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
