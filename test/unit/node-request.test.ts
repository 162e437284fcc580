/** A request that ioredis does not take: a client that has ended says so on the spot. */
import type { Key } from '../../src/core/command';
import { createClient } from '../../src/redis/client';
import { CommandBatch } from '../../src/redis/command-batch';
import { deleteKey } from '../../src/redis/commands';
import { NodeRequest } from '../../src/redis/node-request';
import { NotDone } from '../../src/redis/redis-errors';
import { eventually } from '../support/eventually';

it('a request that a client refuses on the spot was not done, and its bytes do not leave behind that', async () => {
  const client = createClient({
    host: '127.0.0.1',
    port: 1,
    tls: false,
    username: undefined,
    password: undefined,
  });
  // It was never connected.
  client.disconnect();
  await eventually(() => client.status === 'end');
  const written: unknown[] = [];
  const batch = new CommandBatch({ write: (data: unknown) => written.push(data) });
  const told: unknown[] = [];
  const watched = { add: () => told.push('watched'), remove: () => told.push('left alone') };
  const asker = { settle: () => told.push('settled'), fail: (error: Error) => told.push(error) };
  new NodeRequest(deleteKey('k' as Key), asker, Infinity, Infinity, undefined).leave(client, batch, watched);
  batch.flush();
  expect(told).toEqual(['watched', 'left alone', expect.any(NotDone)]);
  expect(written).toEqual([]);
});
