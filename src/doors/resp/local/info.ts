/**
 * INFO, as far as clients look at it: to all of them this is one Redis, a master that has loaded its data. Nothing in it
 * tells of hosts, paths or settings, and what others store, and how many they are, is told to those to whom all keys are
 * granted.
 */
import type { Words } from '../../../core/ports';
import { encodeVerbatim } from '../encoder';
import type { SessionState } from '../session-state';
import { optionAt, principalOf, seesAll, type LocalCommand } from './local-command';
import type { Facts } from './store-facts';

type Fields = Readonly<Record<string, string | number>>;

const SECTIONS = [
  'server',
  'clients',
  'memory',
  'persistence',
  'replication',
  'cluster',
  'keyspace',
] as const;
type Section = (typeof SECTIONS)[number];
const ALL: readonly string[] = ['all', 'everything', 'default'];

export const info: LocalCommand = (state, words) => {
  const principal = principalOf(state);
  const { protocol } = state;
  const place = state.replies.take();
  state.deps.facts
    .read(principal)
    .then((facts) => {
      const fields = fieldsOf(state, facts, seesAll(principal));
      const text = sectionsOf(words).map((section) => textOf(section, fields[section]));
      place.settle(encodeVerbatim(text.join('\r\n'), 'txt', protocol));
    })
    .catch((thrown: unknown) => state.fail(thrown));
};

/** In their own order, each once; none for names that are unknown. */
function sectionsOf(words: Words): readonly Section[] {
  const wanted = words.slice(1).map((_, index) => optionAt(words, index + 1));
  if (wanted.length === 0 || wanted.some((name) => ALL.includes(name))) return SECTIONS;
  return SECTIONS.filter((section) => wanted.includes(section));
}

function fieldsOf(state: SessionState, facts: Facts, isAllSeen: boolean): Readonly<Record<Section, Fields>> {
  const { clock, sessions, startedMs } = state.deps;
  const uptimeSeconds = Math.floor((clock.now() - startedMs) / 1000);
  let blocked = 0;
  for (const { isBlocked } of sessions) if (isBlocked) blocked++;
  const { keys, keysWithExpiry, usedMemoryBytes, maxMemoryBytes } = facts;
  return {
    server: {
      redis_version: facts.redisVersion,
      redis_mode: 'standalone',
      server_time_usec: Math.floor(clock.wallMs() * 1000),
      uptime_in_seconds: uptimeSeconds,
      uptime_in_days: Math.floor(uptimeSeconds / 86_400),
    },
    clients: isAllSeen ? { connected_clients: sessions.size, blocked_clients: blocked } : {},
    memory: {
      ...(isAllSeen && { used_memory: usedMemoryBytes, used_memory_human: humanBytes(usedMemoryBytes) }),
      maxmemory: maxMemoryBytes,
      maxmemory_human: humanBytes(maxMemoryBytes),
      maxmemory_policy: facts.maxMemoryPolicy,
    },
    persistence: { loading: 0 },
    replication: { role: 'master', connected_slaves: 0 },
    cluster: { cluster_enabled: 0 },
    keyspace: isAllSeen && keys > 0 ? { db0: `keys=${keys},expires=${keysWithExpiry},avg_ttl=0` } : {},
  };
}

function textOf(section: Section, fields: Fields): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}:${value}\r\n`);
  return `# ${section.slice(0, 1).toUpperCase()}${section.slice(1)}\r\n${lines.join('')}`;
}

/** As Redis writes it: `1.18M`. */
function humanBytes(bytes: number): string {
  const units = ['B', 'K', 'M', 'G', 'T'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(2)}${units[unit] ?? ''}`;
}
