/** Memory and descriptors of gateways over a long time, as they tell themselves and as Linux tells in /proc. */
import { readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { json } from 'node:stream/consumers';
import type { Figure } from './fault';

/** Of a process that has been idle for a while. */
export interface Sample {
  /** What is left of the heap, and of the buffers beside it, when everything that is garbage has been collected. */
  readonly liveMb: number;
  /** After that. */
  readonly residentMb: number;
  readonly descriptors: number;
}

/** A gateway that is to be watched is started with these. */
export const WATCHED_SETTINGS = {
  NODE_OPTIONS: `--require ${JSON.stringify(require.resolve('./tell-memory.cjs'))}`,
};

const PAGE_BYTES = 4096;
const MB = 2 ** 20;
/** To collect takes some 0.1 s. */
const TELL_MS_MAX = 10_000;
/**
 * Collected twice, an idle process tells the same to a tenth of a MB. The rest is for what is full before it is large:
 * tables of tokens, sessions and marks, and code that was compiled late.
 */
const LIVE_GROWTH_MAX = 1.15;
const LIVE_SLACK_MB = 3;
/**
 * Wider, for this is V8's and the allocator's to decide: room for new objects that was grown under load, and pages that
 * are free but not given back. It is there for what leaks outside of the heap, where nothing else sees it.
 */
const RESIDENT_GROWTH_MAX = 1.25;
const RESIDENT_SLACK_MB = 20;
/** A connection for confirmed writes opens when it is first needed. */
const DESCRIPTORS_SLACK = 4;

/**
 * The process collects its garbage for this. It was started with `WATCHED_SETTINGS`.
 * @throws Error when it does not tell within `TELL_MS_MAX`
 */
export async function sampleProcess(pid: number): Promise<Sample> {
  // First: the connection by which it tells is no descriptor of its own.
  const descriptors = await readdir(`/proc/${pid}/fd`);
  const liveMb = (await askLiveBytes(pid)) / MB;
  const [, pages] = (await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ');
  return { liveMb, residentMb: (Number(pages) * PAGE_BYTES) / MB, descriptors: descriptors.length };
}

async function askLiveBytes(pid: number): Promise<number> {
  try {
    const signal = AbortSignal.timeout(TELL_MS_MAX);
    return (await json(connect({ path: `\0ringcache-memory-${pid}`, signal }))) as number;
  } catch (cause) {
    throw new Error(`process ${pid} does not tell what memory it holds`, { cause });
  }
}

/**
 * Whether a process stayed as it was: the last quarter of its samples against the second, for the first one warms up.
 * Fewer than four samples tell nothing.
 */
export function growthFigures(name: string, samples: readonly Sample[]): Figure[] {
  const quarter = Math.floor(samples.length / 4);
  if (quarter === 0) return [{ name: `${name} samples, too few to tell`, value: samples.length }];
  const early = samples.slice(quarter, 2 * quarter);
  const late = samples.slice(-quarter);
  const compare = (field: keyof Sample, label: string, growthMax: number, slack: number): Figure => {
    const before = medianOf(early, field);
    return {
      name: `${name} ${label}, ${Number(before.toFixed(1))} before`,
      value: medianOf(late, field),
      limit: growthMax * before + slack,
    };
  };
  return [
    compare('liveMb', 'live MB', LIVE_GROWTH_MAX, LIVE_SLACK_MB),
    compare('residentMb', 'resident MB', RESIDENT_GROWTH_MAX, RESIDENT_SLACK_MB),
    compare('descriptors', 'descriptors', 1, DESCRIPTORS_SLACK),
  ];
}

function medianOf(samples: readonly Sample[], field: keyof Sample): number {
  const sorted = samples.map((sample) => sample[field]).sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)]!;
}
