/** Everything that a replicated engine has, for snapshots: what is saved of it, and how it is loaded. */
import type { ContentMarks, EngineContent, SavedEntry } from '../core/ports';
import type { ReplicaStore } from '../replication/replica-store';
import { timeOf, type HybridClock } from '../replication/version';
import type { VersionedEntry } from '../replication/versioned-entry';

export interface ReplicaContent extends EngineContent {
  /** Nothing more is loaded. */
  loaded(): void;
}

/**
 * What is saved has the group's time in it, as the store has it: it is the same on every machine, whatever its clock says.
 * What it was loaded with of marks counts from the end of loading: an entry that is older than a forgotten deletion is one that
 * was there beside it.
 */
export function replicaContent(store: ReplicaStore, versions: HybridClock, id: string): ReplicaContent {
  let marks: ContentMarks | undefined;
  return {
    marks: () => ({ asOfMs: store.contact, horizon: store.horizon }),
    pages: () => store.entries(),
    load(entries, theirs) {
      marks = theirs;
      for (const saved of entries) {
        const entry = versioned(saved, theirs, id);
        if (versions.observe(entry.time)) store.apply(entry);
      }
    },
    loaded() {
      if (marks === undefined) return;
      store.contact = Math.max(store.contact, marks.asOfMs);
      store.horizon = Math.max(store.horizon, marks.horizon);
      versions.observe(store.horizon);
    },
  };
}

/** What was saved by an engine that keeps no versions is this gateway's, as of then. */
function versioned(saved: SavedEntry, { asOfMs }: ContentMarks, id: string): VersionedEntry {
  return saved.origin === '' ? { ...saved, time: timeOf(asOfMs), origin: id } : saved;
}
