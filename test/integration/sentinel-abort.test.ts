/** The Sentinel engine when the Sentinel that leads a failover dies right after it has promoted a node. */
import { eventually } from '../support/eventually';
import { startSentinelDeployment } from '../support/sentinel';
import { get, openTestSentinel, put } from '../support/sentinel-ring';

jest.setTimeout(60_000);

it('a promotion that the other Sentinels take back leads back to the old master', async () => {
  const deployment = await startSentinelDeployment({
    masters: ['main'],
    args: ['--min-replicas-to-write', '0'],
  });
  const engine = await openTestSentinel(deployment);
  try {
    const followed = (): string | undefined =>
      engine.status()[0]?.nodes.find(({ role }) => role === 'master')?.address;
    const before = followed();
    const [leader] = deployment.sentinels;
    await leader!.client.call('SENTINEL', 'FAILOVER', 'main');
    await eventually(() => followed() !== before);
    await leader!.kill();
    await put(engine, 'key', 'on the promoted one').catch(() => undefined);

    const last = await eventually(async () => {
      const master = await deployment.currentMaster('main');
      return followed() === `${master.host}:${master.port}` && master;
    }, 30_000);
    await eventually(() => put(engine, 'key', 'value').then(() => true));
    expect(await last.client.get('key')).toBe('value');
    expect(await get(engine, 'key', 'strong')).toBe('value');
  } finally {
    await engine.close();
    await deployment.stop();
  }
});
