/** Memory and descriptors of processes over a long time, as Linux tells them in /proc. */
import { readdir, readFile } from 'node:fs/promises';
import type { Figure } from './fault';

/** Of a process that has been idle for a while. */
export interface Sample {
  readonly residentMb: number;
  readonly descriptors: number;
}

const PAGE_BYTES = 4096;
/** The heap's own breathing. */
const MEMORY_SLACK_MB = 20;
const MEMORY_GROWTH_MAX = 1.15;
/** A connection for confirmed writes opens when it is first needed. */
const DESCRIPTORS_SLACK = 4;

export async function sampleProcess(pid: number): Promise<Sample> {
  const [, pages] = (await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ');
  const descriptors = await readdir(`/proc/${pid}/fd`);
  return { residentMb: (Number(pages) * PAGE_BYTES) / 2 ** 20, descriptors: descriptors.length };
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
  const median = (of: readonly Sample[], field: keyof Sample): number => {
    const sorted = of.map((sample) => sample[field]).sort((left, right) => left - right);
    return sorted[Math.floor(sorted.length / 2)]!;
  };
  const memoryMb = median(early, 'residentMb');
  return [
    {
      name: `${name} resident MB, ${memoryMb.toFixed(0)} before`,
      value: median(late, 'residentMb'),
      limit: MEMORY_GROWTH_MAX * memoryMb + MEMORY_SLACK_MB,
    },
    {
      name: `${name} descriptors`,
      value: median(late, 'descriptors'),
      limit: median(early, 'descriptors') + DESCRIPTORS_SLACK,
    },
  ];
}
