/** Puts both servers through all cases, many at a time, and looks again at what differed. */
import { Random } from '../../torture/random';
import { makeSequence } from './byte-sequences';
import { compare } from './compare';
import { cutInto, exchange, type Outcome } from './exchange';
import { bytesOf, encodeRequest, keysOf, type FuzzCase } from './fuzz-case';
import { makePipeline } from './pipelines';
import type { Rig } from './rig';
import { shrink } from './shrink';

export interface FuzzPlan {
  readonly seed: string;
  readonly sequences: number;
  readonly pipelines: number;
  /** Cases at a time. Each lane has keys of its own. */
  readonly lanes: number;
  readonly onProgress?: (done: number) => void;
}

export interface Mismatch {
  readonly name: string;
  readonly lane: number;
  readonly what: string;
  /** What the smallest case that was found sends, as a string literal of bytes. */
  readonly reproducer: string;
}

export interface FuzzReport {
  readonly cases: number;
  readonly fates: Readonly<Record<string, number>>;
  readonly replies: number;
  /** Of the kinds of errors that Redis gave, how many. */
  readonly errors: Readonly<Record<string, number>>;
  /** Differed, and not when they were tried again at once with more patience: a busy machine makes a server late. */
  readonly late: number;
  readonly mismatches: readonly Mismatch[];
  /** Differed twice, and not when they were looked at alone: another lane's bytes had become this one's key. */
  readonly passing: readonly string[];
}

/** Silence after which a server is taken to wait, when a case is looked at alone. */
const ALONE_QUIET_MS = 300;
/** Looked at again; with more than these something is wrong everywhere. */
const SUSPECTS_MAX = 40;

interface Suspect {
  readonly fuzzCase: FuzzCase;
  readonly lane: number;
  readonly what: string;
}

export async function runFuzz(rig: Rig, plan: FuzzPlan): Promise<FuzzReport> {
  const total = plan.sequences + plan.pipelines;
  const fates: Record<string, number> = {};
  const errors: Record<string, number> = {};
  const suspects: Suspect[] = [];
  let replies = 0;
  let late = 0;
  let done = 0;

  const runLane = async (lane: number): Promise<void> => {
    for (let index = lane; index < total && suspects.length < SUSPECTS_MAX; index += plan.lanes) {
      const fuzzCase = makeCase(plan, lane, index);
      let { redis, what } = await putThrough(rig, fuzzCase, lane, fuzzCase.quietMs);
      if (what !== undefined && !fuzzCase.ownsItsKeys) {
        late += 1;
        ({ redis, what } = await putThrough(rig, fuzzCase, lane, ALONE_QUIET_MS));
      }
      fates[redis.fate] = (fates[redis.fate] ?? 0) + 1;
      replies += redis.replies.length;
      for (const reply of redis.replies) {
        if (reply[0] !== 0x2d) continue;
        const word = reply.toString('latin1', 1, 40).split(/[ \r]/, 1)[0] ?? '';
        errors[word] = (errors[word] ?? 0) + 1;
      }
      if (what !== undefined) suspects.push({ fuzzCase, lane, what });
      done += 1;
      plan.onProgress?.(done);
    }
  };
  await Promise.all(Array.from({ length: plan.lanes }, (_, lane) => runLane(lane)));

  const mismatches: Mismatch[] = [];
  const passing: string[] = [];
  for (const suspect of suspects) {
    const mismatch = await lookAgain(rig, suspect);
    if (mismatch === undefined) passing.push(`${suspect.fuzzCase.name}: ${suspect.what}`);
    else mismatches.push(mismatch);
  }
  return { cases: done, fates, replies, errors, late, mismatches, passing };
}

/** Sequences first, then pipelines; each from a stream of its own, so that one can be made again alone. */
function makeCase({ seed, sequences }: FuzzPlan, lane: number, index: number): FuzzCase {
  const random = new Random(`${seed}/${index}`);
  return index < sequences
    ? makeSequence(random, lane, index)
    : makePipeline(random, lane, index - sequences);
}

let probes = 0;

async function putThrough(
  rig: Rig,
  fuzzCase: FuzzCase,
  lane: number,
  quietMs: number,
): Promise<{ redis: Outcome; what: string | undefined }> {
  const before = fuzzCase.isAuthenticated
    ? [encodeRequest(['AUTH', rig.password]), encodeRequest(['DEL', ...keysOf(lane)])]
    : [];
  const packets = [...before, ...cutInto(bytesOf(fuzzCase), fuzzCase.cuts)];
  probes += 1;
  const probe = `probe-of-the-fuzz-${String(probes).padStart(9, '0')}`;
  const redis = await exchange({ port: rig.redisPort, packets, quietMs, model: undefined, probe });
  const door = await exchange({ port: rig.doorPort, packets, quietMs, model: redis, probe });
  return { redis, what: compare(fuzzCase, redis, door) };
}

async function lookAgain(rig: Rig, { fuzzCase, lane, what }: Suspect): Promise<Mismatch | undefined> {
  const differs = async (candidate: FuzzCase): Promise<string | undefined> =>
    (await putThrough(rig, candidate, lane, ALONE_QUIET_MS)).what;
  const { name } = fuzzCase;
  if ((await differs(fuzzCase)) === undefined) {
    return fuzzCase.ownsItsKeys
      ? { name, lane, what: `among others: ${what}`, reproducer: show(fuzzCase) }
      : undefined;
  }
  const smallest = await shrink(fuzzCase, async (candidate) => (await differs(candidate)) !== undefined);
  return { name, lane, what: (await differs(smallest)) ?? what, reproducer: show(smallest) };
}

const SHOWN_BYTES_MAX = 2000;

function show(fuzzCase: FuzzCase): string {
  const bytes = bytesOf(fuzzCase);
  const text = JSON.stringify(bytes.toString('latin1', 0, SHOWN_BYTES_MAX));
  const from = fuzzCase.isAuthenticated ? '' : ' from a stranger';
  return bytes.length <= SHOWN_BYTES_MAX ? text + from : `${text} … ${bytes.length} bytes${from}`;
}
