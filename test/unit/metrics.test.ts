import type { NearCacheStatus } from '../../src/core/near-cache';
import type { NodeStatus, RequestLine, SavedSnapshot, ShardStatus } from '../../src/core/ports';
import { type Metrics, openMetrics } from '../../src/telemetry/metrics';
import { createFakeClock } from '../support/fake-clock';
import { type Exposition, parseExposition } from '../support/prometheus-text';

const LINE: RequestLine = {
  requestId: 'r',
  route: 'POST /cache',
  client: 'somebody',
  address: '192.0.2.1',
  command: 'READ',
  commands: undefined,
  outcome: 'SUCCESS',
  source: 'near',
  status: 200,
  isFault: false,
  // Never what is counted.
  durationMs: 1e6,
  workMs: 1,
  cause: undefined,
};
const NEAR: NearCacheStatus = {
  enabled: true,
  entries: 1,
  bytes: 2,
  entriesMax: 3,
  bytesMax: 4,
  ttlSeconds: 5,
  hits: 6,
  misses: 7,
  evictions: 8,
};
const node = (address: string, more: Partial<NodeStatus> = {}): NodeStatus => ({
  address,
  role: 'replica',
  healthy: true,
  linkUp: true,
  lagBytes: 10,
  inFlight: 1,
  announces: true,
  ...more,
});

const clock = createFakeClock();
let shards: ShardStatus[];
let near: NearCacheStatus;
let metrics: Metrics;
beforeEach(() => {
  shards = [{ name: 'a', nodes: [node('10.0.0.1:1', { role: 'master' }), node('10.0.0.2:1')] }];
  near = NEAR;
  metrics = openMetrics({ clock, engine: { status: () => shards }, near: { status: () => near } });
});
afterEach(() => metrics.close());

const exposed = async (): Promise<Exposition> => parseExposition(await metrics.exposition());

it('requests are counted by door, command and outcome, and each door on its own', async () => {
  const [http, resp] = [metrics.observerFor('http'), metrics.observerFor('resp')];
  http.request(LINE);
  http.request(LINE);
  http.request({ ...LINE, outcome: 'NOT_FOUND' });
  http.request({ ...LINE, command: undefined, outcome: 'unauthenticated', status: 401 });
  resp.request(LINE);
  const { value, sum } = await exposed();
  const total = 'ringcache_requests_total';
  expect(value(total, { door: 'http', command: 'READ', outcome: 'SUCCESS' })).toBe(2);
  expect(value(total, { door: 'http', command: 'READ', outcome: 'NOT_FOUND' })).toBe(1);
  expect(value(total, { door: 'http', command: 'none', outcome: 'unauthenticated' })).toBe(1);
  expect(value(total, { door: 'resp', command: 'READ', outcome: 'SUCCESS' })).toBe(1);
  expect(sum(total)).toBe(5);
});

it('faults of the service are failures, and nothing else is', async () => {
  const http = metrics.observerFor('http');
  for (const isFault of [false, true, false, true, true]) http.request({ ...LINE, isFault });
  expect((await exposed()).value('ringcache_requests_failed_total', { door: 'http' })).toBe(3);
  expect(metrics.figures().requests).toMatchObject({ total: 5, failed: 3 });
});

it('a request is in the first bucket whose bound it does not exceed, and in one only', async () => {
  const http = metrics.observerFor('http');
  for (const workMs of [0, 0.25, 0.26, 5000, 5000.1, 1e9]) http.request({ ...LINE, workMs });
  const { latency } = metrics.figures();
  expect(latency.boundsMs).toEqual([0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000]);
  expect(latency.counts).toEqual([2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
  const { value } = await exposed();
  const labels = { door: 'http', command: 'READ' };
  const duration = 'ringcache_request_duration_seconds';
  expect(value(`${duration}_bucket`, { ...labels, le: '0.00025' })).toBe(2);
  expect(value(`${duration}_bucket`, { ...labels, le: '0.0005' })).toBe(3);
  expect(value(`${duration}_bucket`, { ...labels, le: '5' })).toBe(4);
  expect(value(`${duration}_bucket`, { ...labels, le: '+Inf' })).toBe(6);
  expect(value(`${duration}_sum`, labels)).toBeCloseTo(1_000_010.000_61, 5);
});

it('the latency is that of requests with a command, of all doors and commands together', async () => {
  const [http, resp] = [metrics.observerFor('http'), metrics.observerFor('resp')];
  http.request({ ...LINE, command: undefined, workMs: undefined });
  http.request({ ...LINE, command: 'WRITE' });
  resp.request({ ...LINE, command: 'BATCH' });
  expect(metrics.figures().latency.counts.reduce((sum, count) => sum + count)).toBe(2);
  expect((await exposed()).sum('ringcache_request_duration_seconds_count')).toBe(2);
  expect(metrics.figures().requests.total).toBe(3);
});

it('commands of batches are counted apart from requests', async () => {
  const http = metrics.observerFor('http');
  for (const count of [99, 2]) http.commands('READ', 'NOT_FOUND', count);
  const { value, sum } = await exposed();
  expect(value('ringcache_commands_total', { command: 'READ', outcome: 'NOT_FOUND' })).toBe(101);
  expect(sum('ringcache_requests_total')).toBe(0);
});

it('the load is asked for whenever somebody looks', async () => {
  const load = { inFlight: 0, inFlightMax: 9, bodyBytes: 0 };
  metrics.observerFor('http').watchLoad(() => load);
  Object.assign(load, { inFlight: 4, bodyBytes: 77 });
  const { value } = await exposed();
  expect(value('ringcache_requests_in_flight')).toBe(4);
  expect(value('ringcache_requests_in_flight_max')).toBe(9);
  expect(value('ringcache_body_bytes')).toBe(77);
  expect(metrics.figures().requests).toMatchObject({ inFlight: 4, inFlightMax: 9 });
});

it('the near cache is as it says itself', async () => {
  const { value, types } = await exposed();
  const valueOf = (name: string): number => value(`ringcache_near_${name}`);
  expect(['entries', 'bytes', 'entries_max', 'bytes_max'].map(valueOf)).toEqual([1, 2, 3, 4]);
  expect(['hits_total', 'misses_total', 'evictions_total'].map(valueOf)).toEqual([6, 7, 8]);
  expect(types.get('ringcache_near_hits_total')).toBe('counter');
});

it('nothing may be in a near cache that is off, whatever turned it off', async () => {
  near = { ...NEAR, enabled: false };
  const { value } = await exposed();
  expect([value('ringcache_near_entries_max'), value('ringcache_near_bytes_max')]).toEqual([0, 0]);
});

it('a snapshot has series once one was saved', async () => {
  const saved: SavedSnapshot[] = [];
  const own = openMetrics({
    clock,
    engine: { status: () => [] },
    near: { status: () => near },
    snapshots: { last: () => saved.at(-1) },
  });
  const names = ['ringcache_snapshot_timestamp_seconds', 'ringcache_snapshot_bytes'];
  const seen = async () => {
    const { series } = parseExposition(await own.exposition());
    return names.flatMap((name) => series.filter((each) => each.name === name).map(({ value }) => value));
  };
  expect(await seen()).toEqual([]);
  saved.push({ entries: 3, bytes: 4567, durationMs: 8, savedAtMs: 1_700_000_000_250 });
  expect(await seen()).toEqual([1_700_000_000.25, 4567]);
  own.close();
});

it('a node has series for what is known of it and no others', async () => {
  shards = [{ name: 'a', nodes: [node('n:1', { linkUp: undefined, lagBytes: undefined, healthy: false })] }];
  const { value, sum, series } = await exposed();
  const labels = { shard: 'a', node: 'n:1', role: 'replica' };
  expect(value('ringcache_node_up', labels)).toBe(0);
  expect(value('ringcache_node_in_flight', labels)).toBe(1);
  expect(value('ringcache_node_announces', labels)).toBe(1);
  expect(series.filter(({ name }) => /_(lag_bytes|link_up)$/.test(name))).toEqual([]);
  expect(sum('ringcache_node_up')).toBe(0);
});

it('nodes that are gone, and roles that have changed, leave no series behind', async () => {
  expect((await exposed()).sum('ringcache_node_up')).toBe(2);
  shards = [{ name: 'a', nodes: [node('10.0.0.2:1', { role: 'master' })] }];
  const { series } = await exposed();
  expect(series.filter(({ name }) => name === 'ringcache_node_up').map(({ labels }) => labels)).toEqual([
    { shard: 'a', node: '10.0.0.2:1', role: 'master' },
  ]);
});

it('names of shards and nodes may hold anything', async () => {
  const name = 'a "b"\\n\n{x="y"} 1';
  shards = [{ name, nodes: [node('[::1]:6379')] }];
  expect((await exposed()).value('ringcache_node_up', { shard: name, node: '[::1]:6379' })).toBe(1);
});

it('the process is described, without a version and without what lists connections', async () => {
  const { types } = await exposed();
  expect([...types.keys()]).toEqual(
    expect.arrayContaining(['process_resident_memory_bytes', 'nodejs_gc_duration_seconds']),
  );
  expect([...types.keys()].filter((name) => /version|active|fds|eventloop_lag/.test(name))).toEqual([]);
});

it('the time since the start is the clock’s', () => {
  const before = metrics.figures().uptimeMs;
  clock.advance(1500);
  expect(metrics.figures().uptimeMs - before).toBe(1500);
});

it('two that look at the same time see the same', async () => {
  const http = metrics.observerFor('http');
  http.request(LINE);
  const ofOurs = (text: string): string[] =>
    text.split('\n').filter((line) => /^ringcache_(req|near|node)/.test(line));
  const [one, other] = await Promise.all([metrics.exposition(), metrics.exposition()]);
  expect(ofOurs(one)).toEqual(ofOurs(other));
  expect(ofOurs(await metrics.exposition())).toEqual(ofOurs(one));
});
