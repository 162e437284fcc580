/** Relaying while Sentinels replace the master: changes wait for the new one, in their order, and none is lost unsaid. */
import type { CacheError } from '../../src/core/errors';
import type { Engine } from '../../src/core/ports';
import { systemClock as clock } from '../../src/lib/clock';
import { eventually } from '../support/eventually';
import { askEngine, type Told } from '../support/relay';
import { startSentinelDeployment, type SentinelDeployment } from '../support/sentinel';
import { openTestSentinel } from '../support/sentinel-ring';

jest.setTimeout(60_000);

let deployment: SentinelDeployment;
let engine: Engine;

beforeEach(async () => {
  deployment = await startSentinelDeployment({ masters: ['main'] });
  engine = await openTestSentinel(deployment);
  await eventually(async () => (await send('SET old value')) === '+OK\r\n');
  await deployment.inSync();
});
afterEach(async () => {
  await engine.close();
  await deployment.stop();
});

const send = (text: string, told?: Told) => askEngine(engine.relay!, text, told);

/** What became of one number that was appended. */
interface Appended {
  readonly n: number;
  readonly outcome: 'done' | 'not done' | 'unknown';
}

/** Appends one number after the other to a list, many at once, until it is stopped. */
function append(): { readonly all: Promise<Appended>[]; stop(): void } {
  const all: Promise<Appended>[] = [];
  let n = 0;
  const timer = setInterval(() => {
    for (let burst = 0; burst < 20; burst += 1) {
      const mine = (n += 1);
      all.push(
        send(`RPUSH log ${mine}`).then(
          () => ({ n: mine, outcome: 'done' }),
          (thrown: unknown) => ({
            n: mine,
            outcome: (thrown as CacheError).message.includes('Nothing was done') ? 'not done' : 'unknown',
          }),
        ),
      );
    }
  }, 5);
  return { all, stop: () => clearInterval(timer) };
}

async function logOf(): Promise<number[]> {
  const master = await deployment.currentMaster('main');
  return (await master.client.lrange('log', 0, -1)).map(Number);
}

/** Each at most once, in the order in which they were sent, and none that was said not to be done. */
function checkOrder(log: readonly number[], appended: readonly Appended[]): void {
  expect(log).toEqual([...new Set(log)].sort((a, b) => a - b));
  const stored = new Set(log);
  const wrong = appended.filter(({ n, outcome }) => outcome === 'not done' && stored.has(n));
  expect(wrong).toEqual([]);
}

it('a planned failover keeps the order, and what the new master acked is there', async () => {
  const before = await deployment.currentMaster('main');
  const appends = append();
  await eventually(() => appends.all.length > 500);
  await deployment.failover('main');
  await eventually(async () => (await deployment.currentMaster('main')) !== before, 10_000);
  const length = appends.all.length;
  await eventually(() => appends.all.length > length + 500);
  appends.stop();
  const appended = await Promise.all(appends.all);
  await deployment.inSync();
  const log = await logOf();
  checkOrder(log, appended);
  // Nearly nothing is refused: it waits for the new master.
  const notDone = appended.filter(({ outcome }) => outcome !== 'done');
  expect(notDone.length).toBeLessThan(appended.length / 20);
  const last = appended.slice(-200).filter(({ outcome }) => outcome === 'done');
  expect(last).toHaveLength(200);
  const stored = new Set(log);
  expect(last.filter(({ n }) => !stored.has(n))).toEqual([]);
});

it.each(['kill', 'freeze'] as const)(
  'a master that dies (%s) is replaced, and the order is kept',
  async (how) => {
    const master = await deployment.currentMaster('main');
    const appends = append();
    await eventually(() => appends.all.length > 500);
    await deployment.inSync();
    if (how === 'kill') await master.kill();
    else master.freeze();
    const diedMs = clock.now();
    await eventually(async () => (await deployment.currentMaster('main')) !== master, 10_000);
    await eventually(async () => (await send('SET k back')) === '+OK\r\n', 10_000);
    expect(clock.now() - diedMs).toBeLessThan(5000);
    const length = appends.all.length;
    await eventually(() => appends.all.length > length + 200);
    appends.stop();
    const appended = await Promise.all(appends.all);
    checkOrder(await logOf(), appended);
    expect(await send('GET k', { from: 'any' })).toBe('$4\r\nback\r\n');
  },
);

it('links and subscribers of a frozen master are ended when another one takes its place', async () => {
  const onEnd = jest.fn();
  const options = { protocol: 2, deadlineMs: clock.now() + 2000, onEnd } as const;
  await engine.relay!.open(0, options);
  await engine.relay!.subscribe(0, { ...options, onMessage: () => undefined });
  (await deployment.currentMaster('main')).freeze();
  await eventually(() => onEnd.mock.calls.length === 2, 10_000);
});
