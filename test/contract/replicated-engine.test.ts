/** The engine contract on the replicated engine over a real Redis. */
import { openReplicated } from '../../src/engines/replicated';
import { systemClock as clock } from '../../src/lib/clock';
import { eventually } from '../support/eventually';
import { createRecordingLog } from '../support/log';
import { startRedis, type RedisProcess } from '../support/redis';
import { describeEngineContract } from './engine-contract';

let redis: RedisProcess;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

describeEngineContract('replicated over Redis', async () => {
  const engine = await openReplicated({
    bus: { kind: 'redis', address: redis.address },
    bytesMax: 256 * 1024 * 1024,
    clock,
    log: createRecordingLog(),
    onChanged: () => undefined,
    load: undefined,
  });
  await eventually(() => engine.ready());
  return engine;
});
