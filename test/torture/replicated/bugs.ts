/** Is the checker of replicated groups awake? Bugs, planted as `../bugs.ts` does. */
import type { Bug } from '../bugs';
import type { GroupResult } from './run';

export const GROUP_BUGS: readonly Bug[] = [
  {
    name: 'arrival-order',
    // While nothing is broken, what arrives last is also the latest, but for writes that are concurrent.
    title: 'what arrives last wins, whatever its version',
    fault: 'F23',
    edits: [
      {
        file: 'replication/replica-store.js',
        find: '!(0, version_1.isLater)(entry, held))\n            return false;',
        replace: 'held.time === entry.time && held.origin === entry.origin)\n            return false;',
      },
    ],
  },
  {
    name: 'no-tombstones',
    title: 'a deletion leaves nothing behind',
    fault: 'F16d',
    edits: [
      {
        file: 'replication/replica-store.js',
        find: 'this.#table.put(taken, held);\n        return true;',
        replace: `if (bytes !== undefined) this.#table.put(taken, held);
        else if (held !== undefined) this.#table.drop(held);
        return true;`,
      },
    ],
  },
  {
    name: 'revived',
    title: 'what a snapshot brings counts as written a minute later than it was',
    fault: 'F16d',
    edits: [
      {
        file: 'engines/replica-content.js',
        find: 'if (versions.observe(entry.time))\n                    store.apply(entry);',
        replace: 'store.apply({ ...entry, time: entry.time + 60_000 * 4096 });',
      },
    ],
  },
  {
    name: 'no-pull',
    title: 'what was missed is not asked for',
    fault: 'F23',
    edits: [
      {
        file: 'replication/sync.js',
        find: 'const holder = this.#holderOfGap(',
        replace: 'if (this.#isCaughtUp) return undefined;\n        const holder = this.#holderOfGap(',
      },
    ],
  },
  {
    name: 'own-life',
    title: 'a life ends by the clock of the machine that wrote',
    fault: 'none',
    edits: [
      {
        file: 'engines/replicated.js',
        find: 'Infinity : groupNowMs() + ttlMs;',
        replace: 'Infinity : clock.wallMs() + ttlMs;',
      },
    ],
  },
  {
    name: 'own-clock',
    title: 'versions are made by the clock of the machine',
    fault: 'F23',
    edits: [
      {
        file: 'engines/replicated.js',
        find: 'version_1.HybridClock(groupNowMs)',
        replace: 'version_1.HybridClock(() => clock.wallMs())',
      },
    ],
  },
  {
    name: 'session-ignored',
    title: 'a session is answered without regard to what it wrote elsewhere',
    fault: 'F23',
    edits: [
      {
        file: 'engines/replicated.js',
        find: 'await log.reach(positions, deadlineMs);',
        replace: '',
      },
    ],
  },
];

/** What the checker saw: guarantees with the number of their violations. */
export function caughtIn({ report }: GroupResult): string[] {
  return report.verdicts
    .filter(({ violationCount }) => violationCount > 0)
    .map(({ guarantee, violationCount }) => `${guarantee} (${violationCount})`);
}
