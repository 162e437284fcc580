/** What tests of snapshots share: entries of every shape, files of them, and what is read back. */
import { promises as fs } from 'node:fs';
import type { Key } from '../../src/core/command';
import type { ContentMarks, EngineContent, SavedEntry } from '../../src/core/ports';
import type { SnapshotKind } from '../../src/snapshot/format';
import { openSnapshot } from '../../src/snapshot/read-snapshot';
import { writeSnapshot } from '../../src/snapshot/write-snapshot';

export const MARKS: ContentMarks = { asOfMs: 1_700_000_000_123.5, horizon: 99 };
export const SAVED_AT_MS = 1_700_000_000_456;

export function savedEntry(key: string, fields: Partial<SavedEntry> = {}): SavedEntry {
  return {
    key: key as Key,
    bytes: Buffer.from(`value of ${key}`),
    expiresAtMs: Infinity,
    time: 0,
    origin: '',
    ...fields,
  };
}

/** One of each shape that an entry can have. */
export const SHAPES: readonly SavedEntry[] = [
  savedEntry('plain'),
  savedEntry('bytes \xff\x00\xe9', { bytes: Buffer.from([0, 255, 10]) }),
  savedEntry('empty value', { bytes: Buffer.alloc(0) }),
  savedEntry('', { bytes: undefined }),
  savedEntry('ends', { expiresAtMs: 1_800_000_000_000.25 }),
  savedEntry('versioned', { time: 2 ** 52 + 1, origin: '0123456789abcdef' }),
  savedEntry('deleted', { bytes: undefined, time: 7, origin: 'fedcba9876543210', expiresAtMs: 5 }),
];

export interface WriteFile {
  readonly kind?: SnapshotKind;
  readonly signal?: AbortSignal;
}

export function writeFile(
  file: string,
  pages: Iterable<readonly SavedEntry[]>,
  { kind = 'entries', signal = new AbortController().signal }: WriteFile = {},
): Promise<{ readonly entries: number; readonly bytes: number }> {
  return writeSnapshot(file, { kind, savedAtMs: SAVED_AT_MS, marks: MARKS }, pages, signal);
}

/** Everything in a file. @throws as reading it does */
export async function readFile(file: string): Promise<SavedEntry[]> {
  const reader = await openSnapshot(file);
  try {
    const entries: SavedEntry[] = [];
    for await (const block of reader.blocks()) entries.push(...block);
    return entries;
  } finally {
    await reader.close();
  }
}

/** A content that remembers what was loaded into it. */
export interface Loaded extends EngineContent {
  readonly entries: readonly SavedEntry[];
}

export function recordingContent(pages: () => Iterable<readonly SavedEntry[]> = () => []): Loaded {
  const entries: SavedEntry[] = [];
  return {
    entries,
    marks: () => MARKS,
    pages,
    load: (page) => void entries.push(...page),
  };
}

export async function names(folder: string): Promise<string[]> {
  return (await fs.readdir(folder)).sort();
}
