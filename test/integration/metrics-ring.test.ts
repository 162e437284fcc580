/** What `GET /metrics` says of the nodes of a real ring. */
import { eventually } from '../support/eventually';
import { type HttpDoor, openHttpDoor, request } from '../support/http-door';
import { type Exposition, parseExposition } from '../support/prometheus-text';
import { type ShardProcesses, startShard } from '../support/redis';
import { openTestRing } from '../support/ring';

const NOTICED_MS = 10_000;

let shard: ShardProcesses;
let door: HttpDoor;
beforeAll(async () => {
  shard = await startShard({ name: 'main', replicas: 2, replicationThroughProxy: true });
  door = await openHttpDoor({ openEngine: (log) => openTestRing(shard.config, { log }) });
}, 20_000);
afterAll(async () => {
  await door.close();
  await shard.stop();
});

async function exposed(): Promise<Exposition> {
  const { text } = await request(door).get('/metrics').auth(door.token, { type: 'bearer' });
  return parseExposition(text);
}

const write = (value: string) =>
  request(door).post('/cache').auth(door.token, { type: 'bearer' }).send({ key: 'k', value });

it('each node is up, announces, and a replica is linked and level', async () => {
  await eventually(async () => {
    const { value, series } = await exposed();
    expect(series.filter(({ name }) => name === 'ringcache_node_up')).toHaveLength(3);
    const { host, port } = shard.config.master;
    const master = { shard: 'main', node: `${host}:${port}`, role: 'master' };
    expect([value('ringcache_node_up', master), value('ringcache_node_announces', master)]).toEqual([1, 1]);
    for (const replica of shard.config.replicas) {
      const labels = { shard: 'main', node: `${replica.host}:${replica.port}`, role: 'replica' };
      const names = ['up', 'link_up', 'announces', 'lag_bytes'];
      expect(names.map((name) => value(`ringcache_node_${name}`, labels))).toEqual([1, 1, 1, 0]);
    }
    return true;
  });
});

it('a replica that hangs is down until it goes on, and the others stay up', async () => {
  const [frozen] = shard.replicas;
  const up = async (): Promise<[number, number]> => {
    const { value, sum } = await exposed();
    return [value('ringcache_node_up', { node: `127.0.0.1:${frozen!.port}` }), sum('ringcache_node_up')];
  };
  frozen!.freeze();
  await eventually(async () => {
    expect(await up()).toEqual([0, 2]);
    return true;
  }, NOTICED_MS);
  frozen!.thaw();
  await eventually(async () => {
    expect(await up()).toEqual([1, 3]);
    return true;
  }, NOTICED_MS);
});

it('what the replicas have not yet got is their lag', async () => {
  shard.pauseReplication();
  const value = 'x'.repeat(10_000);
  expect((await write(value)).status).toBe(200);
  await eventually(
    async () => (await exposed()).sum('ringcache_node_lag_bytes') >= 2 * value.length,
    NOTICED_MS,
  );
  shard.resumeReplication();
  await eventually(async () => {
    const { series } = await exposed();
    const lags = series.filter(({ name }) => name === 'ringcache_node_lag_bytes');
    return lags.length === 2 && lags.every((lag) => lag.value === 0);
  }, NOTICED_MS);
});
