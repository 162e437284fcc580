/**
 * A short run of `npm run fuzz`: random bytes and random valid pipelines, sent to the built gateway and to a plain Redis,
 * come to the same answers and the same end of the connection.
 */
import { startRig, type Rig } from '../fuzz/resp/rig';
import { runFuzz } from '../fuzz/resp/run-fuzz';

/** The same on every machine; the long runs take others. */
const PLAN = { seed: 'e2e', sequences: 3000, pipelines: 1500, lanes: 16 };
/** Differences that are gone when the case is looked at alone. */
const PASSING_MAX = 3;

let rig: Rig;

beforeAll(async () => {
  rig = await startRig('door');
}, 60_000);
afterAll(() => rig.stop());

it('the door does with any bytes what Redis does with them', async () => {
  const report = await runFuzz(rig, PLAN);
  expect(report.mismatches).toEqual([]);
  expect(report.cases).toBe(PLAN.sequences + PLAN.pipelines);
  expect(report.passing.length).toBeLessThanOrEqual(PASSING_MAX);
  // It must have gone everywhere to have shown anything.
  for (const fate of ['open', 'closed', 'waiting']) expect(report.fates[fate]).toBeGreaterThan(100);
  for (const word of ['ERR', 'NOAUTH', 'WRONGTYPE', 'EXECABORT'])
    expect(report.errors[word]).toBeGreaterThan(10);
}, 240_000);
