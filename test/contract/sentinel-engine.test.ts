/** The engine contract on shards that real Sentinels watch. */
import type { Engine } from '../../src/core/ports';
import { eventually } from '../support/eventually';
import { startSentinelDeployment, type SentinelDeployment } from '../support/sentinel';
import { openTestSentinel } from '../support/sentinel-ring';
import { describeEngineContract, EngineUnderTest } from './engine-contract';
import { keyFromText } from '../../src/core/key';

const MASTERS = ['main', 'second'];

let deployment: SentinelDeployment;

beforeAll(async () => {
  deployment = await startSentinelDeployment({ masters: MASTERS });
}, 60_000);
afterAll(() => deployment.stop());

/** An engine over the masters, all of them empty. */
async function openEmptySentinel(): Promise<Engine> {
  for (const name of MASTERS) {
    // On a busy machine the Sentinels may be about to choose another one.
    const master = await eventually(() => deployment.currentMaster(name), 15_000);
    await master.client.flushall();
  }
  await deployment.inSync();
  return openTestSentinel(deployment, { masters: MASTERS, storedBytesMax: 16 * 1024 * 1024 });
}

describeEngineContract('Sentinels with two masters', openEmptySentinel);

describe('sentinel engine', () => {
  it('spreads keys over its masters, and each is where it says', async () => {
    const store = new EngineUnderTest(await openEmptySentinel());
    try {
      const shards = new Set<string>();
      for (let n = 0; n < 50; n += 1) {
        const key = keyFromText(`key-${n}`);
        await store.write(key, 'value');
        const { shard } = await store.engine.locate(key, store.deadline());
        expect(await (await deployment.currentMaster(shard)).client.get(`key-${n}`)).toBe('value');
        shards.add(shard);
      }
      expect([...shards].sort()).toEqual(MASTERS);
    } finally {
      await store.engine.close();
    }
  });

  it('Sentinels and nodes see all of its connections end when it is closed', async () => {
    const store = new EngineUnderTest(await openEmptySentinel());
    await store.write(keyFromText('key'), 'value', { ack: 1 });
    const servers = [...deployment.sentinels, ...deployment.nodes];
    const connected = async (): Promise<number> => {
      const lists = await Promise.all(servers.map(({ client }) => client.client('LIST') as Promise<string>));
      return lists.filter((list) => list.includes(' name=ringcache ')).length;
    };
    expect(await connected()).toBe(servers.length);
    await store.engine.close();
    await eventually(async () => (await connected()) === 0);
  });
});
