/**
 * Is the checker awake? Each of these is a bug that the design exists to avoid, planted into a copy of the built
 * program by replacing a piece of its text. Under the load and the fault that show it, the checker must see it.
 */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Fault } from './fault';
import { FAULTS } from './faults';
import type { RunResult } from './run-fault';

const ROOT = path.join(__dirname, '../..');

interface Edit {
  /** Below dist/. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface Bug {
  readonly name: string;
  readonly title: string;
  /** The fault under which it shows. */
  readonly fault: string;
  readonly edits: readonly Edit[];
  readonly settings?: Readonly<Record<string, string>>;
  /** It breaks no promise about data: it shows as an outage over the limit. */
  readonly isOutage?: boolean;
}

const INSTALL_OWN_VALUE: readonly Edit[] = [
  {
    file: 'core/cache.js',
    find: 'this.#near.fill(ticket, fetched.value,',
    replace: 'this.lastLease = found.lease;\nthis.#near.fill(ticket, fetched.value,',
  },
  {
    file: 'core/cache.js',
    find: 'return writeReply(change, existedBy(condition, change.done));',
    replace: `if (change.done && this.lastLease !== undefined) {
      const untilMs = command.ttlMs ? this.#options.clock.now() + command.ttlMs : Infinity;
      this.#near.fill(this.#near.takeTicket(command.key), command.value, untilMs, this.lastLease);
    }
    return writeReply(change, existedBy(condition, change.done));`,
  },
];

export const BUGS: readonly Bug[] = [
  {
    name: 'no-fence',
    title: 'a fill is kept though its key was announced meanwhile',
    fault: 'R1',
    edits: [
      {
        file: 'core/near-cache.js',
        find: 'if (!this.enabled || !valid || ',
        replace: 'if (!this.enabled || ',
      },
    ],
  },
  {
    name: 'other-node',
    title: 'fills come from replicas, announcements from the master',
    fault: 'F7',
    settings: { COHERENCE: 'pubsub' },
    edits: [
      {
        file: 'engines/shard-reader.js',
        find: 'const { lease } = member.feed;',
        replace: 'const { lease } = this.#members.master.feed;',
      },
      {
        file: 'engines/shard-members.js',
        find: 'this.#replicas = replicas.map(member);',
        replace: `this.#replicas = replicas.map((address) => {
          const replica = member(address);
          replica.feed.open = () => undefined;
          return replica;
        });`,
      },
    ],
  },
  {
    name: 'no-flush',
    title: 'what was kept is served again after the announcements were away',
    fault: 'F8',
    edits: [
      {
        file: 'coherence/feed.js',
        find: 'if (this.#lease !== undefined)\n            this.#lease.endsMs = -Infinity;\n        this.#lease = undefined;',
        replace: 'this.kept = this.#lease ?? this.kept;\n        this.#lease = undefined;',
      },
      {
        file: 'coherence/feed.js',
        find: 'this.#lease = new OpenLease();\n            this.#trouble',
        replace: 'this.#lease = this.kept ?? new OpenLease();\n            this.#trouble',
      },
    ],
  },
  {
    name: 'token-ignored',
    title: 'replicas answer a session without regard to what it wrote',
    fault: 'F7',
    edits: [
      {
        file: 'engines/shard-reader.js',
        find: 'const positions = this.#positions.of(session);',
        replace: 'const positions = [];',
      },
    ],
  },
  {
    name: 'auto-resend',
    title: 'commands without an answer are sent again by ioredis',
    fault: 'F5',
    edits: [
      {
        file: 'redis/client.js',
        find: 'autoResendUnfulfilledCommands: false',
        replace: 'autoResendUnfulfilledCommands: true',
      },
      { file: 'redis/client.js', find: 'maxRetriesPerRequest: 0,', replace: 'maxRetriesPerRequest: 20,' },
      {
        // The bytes are the batch's: what ioredis alone sends again has none, takes the replies of others, and the node
        // is never usable again. So they are written here whenever it sends for the second time.
        file: 'redis/node-request.js',
        find: 'client.sendCommand(this, ELSEWHERE);',
        replace: `let hasLeft = false;
        const write = () => {
            if (hasLeft) {
                const again = new batch.constructor(client.stream);
                again.add(command.words);
                again.flush();
            }
            hasLeft = true;
        };
        client.sendCommand(this, { ...ELSEWHERE, write });`,
      },
    ],
  },
  {
    name: 'dropped',
    title: 'each 100th announcement is dropped',
    fault: 'none',
    edits: [
      {
        file: 'coherence/feed.js',
        find: 'for (const key of keys)\n',
        replace: 'for (const key of keys) if ((this.count = (this.count ?? 0) + 1) % 100 !== 0)\n',
      },
    ],
  },
  {
    name: 'noloop',
    // NOLOOP alone changes nothing here: what a gateway writes it forgets by itself, tickets included, when the answer
    // comes, and what is read behind the write is tracked anew. It takes somebody who relies on the announcement.
    title: 'one’s own writes are not announced, and what was kept stays',
    fault: 'none',
    edits: [
      {
        file: 'coherence/tracking.js',
        find: "'REDIRECT', subscriberId)",
        replace: "'REDIRECT', subscriberId, 'NOLOOP')",
      },
      {
        file: 'core/cache.js',
        find: 'this.forget(key);\n                return writeReply(change,',
        replace: 'this.#flights.detach(key);\n                return writeReply(change,',
      },
      {
        file: 'core/cache.js',
        find: 'finally {\n            this.forget(key);',
        replace: 'finally {\n            this.#flights.detach(key);',
      },
    ],
    settings: { READ_FROM: 'master' },
  },
  {
    name: 'own-value',
    title: 'a write puts its own value into the near cache',
    fault: 'none',
    edits: INSTALL_OWN_VALUE,
  },
  {
    name: 'no-pttl',
    title: 'the near cache does not know when its keys expire',
    fault: 'R7',
    edits: [{ file: 'core/cache.js', find: 'found.askedAtMs + found.remainingMs', replace: 'Infinity' }],
  },
  {
    name: 'epoch',
    title: 'the switch to a new master waits until all Sentinels tell the newest epoch',
    fault: 'F1b',
    isOutage: true,
    edits: [
      {
        file: 'redis/sentinel-decision.js',
        find: 'if (isMaster(opinion.address) !== true)',
        replace: `if (opinions.length < sentinels || opinions.some(({ epoch }) => epoch !== newest))
            continue;
        if (isMaster(opinion.address) !== true)`,
      },
    ],
  },
];

export function faultOf({ fault }: Bug): Fault {
  const found = FAULTS.get(fault);
  if (found === undefined) throw new Error(`no fault is named ${fault}`);
  return found;
}

export interface PlantedBug {
  /** With which a gateway runs the copy. */
  readonly settings: Readonly<Record<string, string>>;
  remove(): Promise<void>;
}

/** A copy of dist/ with the bug in it. @throws Error if a piece of text does not stand there exactly once. */
export async function plant({ name, edits, settings }: Bug): Promise<PlantedBug> {
  const folder = await mkdtemp(path.join(tmpdir(), 'ringcache-bug-'));
  await cp(path.join(ROOT, 'dist'), path.join(folder, 'dist'), { recursive: true });
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  for (const { file, find, replace } of edits) {
    const target = path.join(folder, 'dist', file);
    const parts = (await readFile(target, 'utf8')).split(find);
    if (parts.length !== 2) throw new Error(`${name}: ${parts.length - 1} times in dist/${file}: ${find}`);
    await writeFile(target, parts.join(replace));
  }
  // Gateways are told to run dist/main.js; they find this one in its place.
  const redirect = path.join(folder, 'redirect.cjs');
  const main = JSON.stringify(path.join(folder, 'dist/main.js'));
  await writeFile(
    redirect,
    `const { Module } = require('node:module');\nconst run = Module.runMain;\nModule.runMain = () => run(${main});\n`,
  );
  return {
    settings: { ...settings, NODE_OPTIONS: `--require ${redirect}` },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** What the checker saw of it: guarantees with the number of their violations. */
export function caughtBy({ isOutage = false }: Bug, { report, failures }: RunResult): string[] {
  const seen = report.rows
    .filter(({ guarantee, result }) => result === 'violated' && (isOutage || guarantee !== 'liveness'))
    .map(({ guarantee, violations }) => `${guarantee} (${violations})`);
  // A round that waits in vain for the service to come back says so.
  return isOutage ? [...seen, ...failures] : seen;
}
