/** What becomes of connections through whose credential nobody may come in any more, whatever they are doing. */
import { startRedis, type RedisProcess } from '../support/redis';
import { eventually } from '../support/eventually';
import { openRespGateway, type RespGateway } from '../support/resp-gateway';
import { WireConnection } from '../support/resp-wire';

let redis: RedisProcess;
let gateway: RespGateway;

beforeAll(async () => {
  redis = await startRedis();
  gateway = await openRespGateway({ shards: [{ name: 'one', master: redis.address, replicas: [] }] });
});

afterAll(async () => {
  await gateway.close();
  await redis.stop();
});

it('within a second they are told and closed, and nothing is taken for them any more', async () => {
  const direct = await WireConnection.open(redis);
  const secret = gateway.secretFor(['read', 'write', 'delete']);
  const connections = await Promise.all(
    Array.from({ length: 4 }, () => WireConnection.open({ port: gateway.port })),
  );
  for (const connection of connections) await connection.ask('AUTH', secret);
  const [idle, waiting, queueing, subscribed] = connections as [
    WireConnection,
    WireConnection,
    WireConnection,
    WireConnection,
  ];
  waiting.socket.write('BLPOP list 0\r\n');
  await queueing.ask('MULTI');
  await subscribed.ask('SUBSCRIBE', 'news');
  await eventually(async () => String(await direct.ask('CLIENT', 'LIST')).includes('cmd=blpop'));
  gateway.revoke(secret);
  const revokedMs = performance.now();
  for (const connection of [idle, waiting, queueing, subscribed])
    expect(String(await connection.next())).toBe('-NOAUTH The API key is not valid.\r\n');
  expect(performance.now() - revokedMs).toBeLessThan(1000);
  await eventually(async () => !String(await direct.ask('CLIENT', 'LIST')).includes('cmd=blpop'), 1000);
  await direct.ask('RPUSH', 'list', 'x');
  expect(String(await direct.ask('LLEN', 'list'))).toBe(':1\r\n');
  await eventually(() => connections.every(({ hasEnded }) => hasEnded));
  direct.close();
});
