import { Redis, ReplyError } from 'ioredis';
import { systemClock } from '../../src/lib/clock';
import { PubsubLink, type PublisherState } from '../../src/replication/pubsub-link';
import { eventually } from '../support/eventually';
import { createRecordingLog } from '../support/log';
import { startRedis } from '../support/redis';

test('what a dying connection did not take is never told of as refused by the bus', async () => {
  const redis = await startRedis();
  const killer = new Redis(redis.port, redis.host, { protocol: 2 });
  const address = {
    host: redis.host,
    port: redis.port,
    tls: false,
    username: undefined,
    password: undefined,
  };
  const nothing = (): void => undefined;
  const link = new PubsubLink(
    address,
    'ab'.repeat(8),
    { clock: systemClock, log: createRecordingLog() },
    { onSubscribed: nothing, onUnsubscribed: nothing, onMessage: nothing, onPublisher: nothing },
  );
  const failedWhile = new Set<PublisherState>();
  const over = new AbortController();
  const publishing = (async () => {
    while (!over.signal.aborted) {
      link.publish(Buffer.from('x')).catch((cause: unknown) => {
        if (!(cause instanceof ReplyError)) failedWhile.add(link.publisher);
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  try {
    link.open();
    for (let times = 0; times < 10; times += 1) {
      await eventually(() => link.publisher === 'up');
      await killer.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await eventually(() => link.publisher !== 'up');
    }
  } finally {
    over.abort();
    await publishing;
    await link.close();
    killer.disconnect();
    await redis.stop();
  }
  expect(failedWhile).toContain('doubtful');
  expect(failedWhile).not.toContain('up');
});
