/** Long answers and long requests in turns on one connection: it takes two processes for them to meet half-way. */
import { startGateway } from '../support/gateway';

/** Bodies of more than one TLS record (16 KiB), and answers that are longer than the socket's buffer. */
const KEYS = Array.from({ length: 500 }, (_, n) => `a-key-of-some-length-${n}`);
const ROUNDS = 300;

it('a request that follows a long answer on its connection is taken for what it is', async () => {
  const gateway = await startGateway();
  await gateway.command(KEYS.map((key) => ({ command: 'WRITE', key, value: 'v'.repeat(100) })));
  const statuses: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    statuses.push((await gateway.command(KEYS.map((key) => ({ command: 'READ', key })))).status);
  }
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  await gateway.stop();
}, 60_000);
