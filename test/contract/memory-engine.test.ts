/** The engine contract on the in-process engine, and what it promises by itself. */
import { keyFromText } from '../../src/core/key';
import { openMemory } from '../../src/engines/memory';
import { systemClock as clock } from '../../src/lib/clock';
import { describeEngineContract } from './engine-contract';

const bytesMax = 64 * 1024 * 1024;

describeEngineContract('memory', () => Promise.resolve(openMemory({ bytesMax, clock })));

it('memory: has one shard of one node, a master, and no ring', async () => {
  const engine = openMemory({ bytesMax, clock });
  expect(engine.kind).toBe('memory');
  expect(engine.placement()).toBeUndefined();
  expect(engine.status()).toEqual([
    {
      name: 'memory',
      nodes: [{ address: 'memory', role: 'master', healthy: true, linkUp: undefined, lagBytes: undefined }],
    },
  ]);
  const location = await engine.locate(keyFromText('key'), clock.now() + 1000);
  expect(location).toEqual({ hash: undefined, shard: 'memory', node: 'memory', remainingMs: undefined });
});
