/** The Sentinel engine while masters and Sentinels die, freeze and change their roles. */
import { spawn } from 'node:child_process';
import type { Engine } from '../../src/core/ports';
import { eventually } from '../support/eventually';
import { createRecordingLog } from '../support/log';
import {
  startSentinelDeployment,
  type SentinelDeployment,
  type SentinelNode,
  type SentinelOptions,
} from '../support/sentinel';
import { get, openTestSentinel, put, watchOutage, type TestSentinelOptions } from '../support/sentinel-ring';

jest.setTimeout(60_000);

let deployment: SentinelDeployment;
let engine: Engine;

async function open(
  options: Partial<SentinelOptions> = {},
  engineOptions: TestSentinelOptions = {},
): Promise<SentinelNode> {
  deployment = await startSentinelDeployment({ masters: ['main'], ...options });
  engine = await openTestSentinel(deployment, engineOptions);
  await put(engine, 'old', 'value');
  await deployment.inSync();
  return deployment.currentMaster('main');
}

afterEach(async () => {
  await engine.close();
  await deployment.stop();
});

/** What the service is out for while `fault` makes another node the master. */
async function outageOf(fault: () => unknown): Promise<Record<'writes' | 'reads', Outage>> {
  const before = await deployment.currentMaster('main');
  const writes = watchOutage((count) => put(engine, `key-${count}`, 'value'));
  const reads = watchOutage(async () => {
    if ((await get(engine, 'old')) !== 'value') throw new Error('a replicated key is gone');
  });
  await eventually(() => writes.successes() > 20 && reads.successes() > 20);
  await fault();
  await eventually(async () => (await deployment.currentMaster('main')) !== before, 10_000);
  const then = writes.successes();
  await eventually(() => writes.successes() > then + 100, 10_000);
  return { writes: await writes.stop(), reads: await reads.stop() };
}

type Outage = Awaited<ReturnType<ReturnType<typeof watchOutage>['stop']>>;

/** The address of the master, as the engine has it. */
function followed(): string | undefined {
  return engine.status()[0]?.nodes.find(({ role }) => role === 'master')?.address;
}

function nameOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host}:${port}`;
}

describe('a master', () => {
  it('that is killed is replaced: writes are back within 3 s, reads are never out for more than 0.3 s', async () => {
    const master = await open();
    const { writes, reads } = await outageOf(() => master.kill());
    expect(writes.longestMs).toBeLessThan(3000);
    expect(reads.longestMs).toBeLessThan(300);
    expect(followed()).toBe(nameOf(await deployment.currentMaster('main')));
  });

  it('that is frozen is replaced within 3.5 s, and what it writes when it wakes never shows', async () => {
    const master = await open({ password: 'node-password' }, { password: 'node-password' });
    const { writes } = await outageOf(() => master.freeze());
    expect(writes.longestMs).toBeLessThan(3500);

    await put(engine, 'old', 'new');
    master.thaw();
    const foreign = master.client.set('old', 'of the deposed master');
    const reads = watchOutage(async () => {
      for (const consistency of ['eventual', 'strong'] as const) {
        const value = await get(engine, 'old', consistency);
        if (value !== 'new') throw new Error(`${consistency}: ${value}`);
      }
    });
    await foreign.catch(() => undefined);
    // It takes part again only as a replica of the new master.
    await eventually(
      () =>
        engine.status()[0]!.nodes.filter(({ role, healthy }) => role === 'replica' && healthy).length === 2,
      20_000,
    );
    expect((await reads.stop()).failures).toEqual([]);
  });

  it('that is frozen at the start does not keep its replicas from answering reads', async () => {
    const master = await open({ downAfterMs: 60_000 });
    await engine.close();
    master.freeze();
    engine = await openTestSentinel(deployment);
    expect(await get(engine, 'old')).toBe('value');
    await expect(put(engine, 'old', 'new')).rejects.toMatchObject({ code: 'unavailable' });
    master.thaw();
    await eventually(() => put(engine, 'old', 'new').then(() => true));
  });

  it.each(['0', '1'])(
    'that hands over as planned costs no write, with min-replicas-to-write %s',
    async (replicas) => {
      await open({ args: ['--min-replicas-to-write', replicas] });
      const { writes, reads } = await outageOf(() =>
        deployment.sentinels[0]!.client.call('SENTINEL', 'FAILOVER', 'main'),
      );
      expect(writes.failures).toEqual([]);
      expect(writes.longestMs).toBeLessThan(500);
      expect(reads.longestMs).toBeLessThan(300);
    },
  );

  it('that hands over as planned takes no more writes within a fraction of a second', async () => {
    const master = await open({ args: ['--min-replicas-to-write', '0'] });
    await deployment.sentinels[0]!.client.call('SENTINEL', 'FAILOVER', 'main');
    const promoted = await eventually(async () => {
      const others = deployment.nodes.filter((node) => node !== master);
      const roles = await Promise.all(others.map(({ client }) => client.role()));
      return others.find((_, index) => roles[index]?.[0] === 'master');
    });
    // The Sentinels themselves take up to a second to see that.
    await eventually(() => followed() === nameOf(promoted), 500);
  });
});

describe('Sentinels', () => {
  it('that are all gone cost nothing', async () => {
    await open();
    await Promise.all(deployment.sentinels.map((sentinel) => sentinel.kill()));
    await put(engine, 'key', 'value');
    await eventually(async () => (await get(engine, 'key')) === 'value');
    expect(await get(engine, 'key', 'strong')).toBe('value');
  });

  it('that come only after the start are found: until then the shard is unavailable', async () => {
    const master = await open();
    await engine.close();
    await Promise.all(deployment.sentinels.map((sentinel) => sentinel.kill()));
    engine = await openTestSentinel(deployment);
    expect(engine.ready()).toBe(false);
    await expect(put(engine, 'key', 'value')).rejects.toMatchObject({ code: 'unavailable' });
    await deployment.sentinels[1]!.restart();
    await eventually(() => put(engine, 'key', 'value').then(() => true));
    expect(await master.client.get('key')).toBe('value');
  });

  it('of which one is frozen during a failover neither hold it up nor, on waking, lead back', async () => {
    const master = await open();
    const [late] = deployment.sentinels;
    late!.freeze();
    await deployment.sentinels[1]!.client.call('SENTINEL', 'FAILOVER', 'main');
    await eventually(() => followed() !== nameOf(master), 10_000);
    const now = followed();
    late!.thaw();
    const seen = new Set<string | undefined>();
    await eventually(async () => {
      seen.add(followed());
      const address = await late!.client.call('SENTINEL', 'get-master-addr-by-name', 'main');
      return (address as string[]).join(':') === now;
    }, 10_000);
    expect([...seen]).toEqual([now]);
  });
});

describe('Sentinels that ask for a password', () => {
  const password = 'of the Sentinels';

  it('get the one that is set for them, and never that of the nodes', async () => {
    await open();
    await engine.close();
    for (const { client } of deployment.sentinels) {
      await client.call('ACL', 'SETUSER', 'default', 'resetpass', `>${password}`);
    }
    const log = createRecordingLog();
    engine = await openTestSentinel(deployment, { password, log });
    expect(engine.ready()).toBe(false);
    expect(JSON.stringify(log.lines)).toContain('NOAUTH');
    await engine.close();

    const sentinels = deployment.sentinels.map(({ address }) => ({ ...address, password }));
    engine = await openTestSentinel(deployment, { sentinels });
    await put(engine, 'key', 'value');
  });
});

describe('a gateway that was frozen', () => {
  it('writes to the master of now, although the one it knew is awake and believes in itself', async () => {
    const master = await open({ args: ['--min-replicas-to-write', '0'] });
    // All this happens in other processes while this one stands still.
    master.freeze();
    spawn('sh', ['-c', `sleep 3; kill -CONT ${master.pid}`], { stdio: 'ignore' });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3500);
    // In the stretch in which it wakes: no timer and no socket has had its turn.
    await put(engine, 'key', 'value');

    const current = await deployment.currentMaster('main');
    expect(current).not.toBe(master);
    expect(await master.client.role()).toContain('master');
    expect(await current.client.get('key')).toBe('value');
    expect(await master.client.get('key')).toBeNull();
  });
});
