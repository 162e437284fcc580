/**
 * One connection to one node as relayed requests use it: what leaves for one command, and what is done with the
 * answers before they count.
 */
import type { Coherence } from '../coherence/coherence';
import { cannotAnnounce } from '../coherence/outbox';
import type { ShardAnnouncer } from '../coherence/shard-announcer';
import type { Key } from '../core/command';
import type { CacheError } from '../core/errors';
import type { RelayRequest, Words } from '../core/ports';
import type { Clock } from '../lib/clock';
import type { AwaitedCommand, RelayConnection, ReplyWaiter } from '../redis/relay-connection';
import type { Member } from './member';
import { OffsetGroup } from './offset-group';
import type { EntryChannel, RelayEntry } from './relay-entry';
import { RelayEnvelope } from './relay-envelope';
import type { ShardMembers } from './shard-members';

export interface RelayChannelDeps {
  readonly member: Member;
  readonly members: ShardMembers;
  readonly coherence: Coherence;
  readonly announcer: ShardAnnouncer | undefined;
  readonly clock: Clock;
  /**
   * Of a link: a change by itself leaves as it is. MULTI and EXEC around it would end what the caller watches, and
   * would keep what blocks from blocking; and what may block changes lists, sorted sets and streams, which are in no
   * near cache.
   */
  readonly isLink: boolean;
}

const ASKING: Words = [Buffer.from('ASKING')];
const ROLE: Words = [Buffer.from('ROLE')];
const NO_PUBLICATIONS: readonly Words[] = [];
const MINUS = 0x2d;
/** What blocks has no deadline, but its announcement has. */
const ANNOUNCE_MS_MAX = 5000;

export class RelayChannel implements EntryChannel {
  readonly member: Member;
  readonly #deps: RelayChannelDeps;
  #connection: RelayConnection | undefined;
  /** Of the changes of this turn. */
  #group: OffsetGroup | undefined;

  constructor(deps: RelayChannelDeps) {
    this.member = deps.member;
    this.#deps = deps;
  }

  /** Once: what it works with. */
  use(connection: RelayConnection): void {
    this.#connection = connection;
  }

  get isReady(): boolean {
    return this.#connection?.isReady === true;
  }

  send(entry: RelayEntry): void {
    const connection = this.#connection;
    if (connection === undefined) throw new Error('a channel is used before it has a connection');
    const { request } = entry;
    const { coherence, announcer, members, isLink } = this.#deps;
    entry.channel = this;
    if (announcer?.isOpen === false && announcedBy(request) !== undefined) {
      // Who sends is not ready to hear of it yet.
      queueMicrotask(() => entry.judge.fails(entry, cannotAnnounce()));
      return;
    }
    if (request.isWrite && members.isReplicated) {
      this.#group ??= new OffsetGroup();
      this.#group.add(entry);
      entry.group = this.#group;
    } else entry.group = undefined;
    const publications =
      request.isWrite && (request.isTransaction || !isLink)
        ? coherence.publicationsOf(request.changesUnnamed ? 'everything' : request.announced)
        : NO_PUBLICATIONS;
    const [first] = request.commands;
    if (request.isTransaction || publications.length > 0) {
      this.#sendAll(connection, entry, new RelayEnvelope(entry, publications).commands());
    } else if (first === undefined) return;
    else if (entry.isAsking) this.#sendAll(connection, entry, [{ words: first, waiter: entry }]);
    else connection.send(first, entry);
  }

  /** For how long the node has owed answers without a byte. */
  get silentMs(): number {
    return this.#connection?.silentMs ?? 0;
  }

  /** A read of a replica: no order is kept, and nothing is done with the reply. */
  read(words: Words, waiter: ReplyWaiter): void {
    this.#connection?.send(words, waiter);
  }

  /** To be called before the commands of a turn leave. */
  flushing(): void {
    const group = this.#group;
    if (group === undefined) return;
    this.#group = undefined;
    this.#connection?.send(ROLE, group);
  }

  mark({ request, leaving }: RelayEntry, offset: number): void {
    const { members } = this.#deps;
    if (request.changesUnnamed) members.markAll(this.member, offset);
    else for (const key of request.keys) members.mark(key, offset);
    for (const key of request.keys) leaving?.changedElsewhere(key);
  }

  announce({ request, deadlineMs }: RelayEntry, reply: Buffer, offset: number): void {
    const { announcer, clock } = this.#deps;
    const keys = announcer && announcedBy(request);
    // What is answered with an error has changed nothing, unless a script says so.
    if (announcer === undefined || keys === undefined || (reply[0] === MINUS && keys !== 'everything')) {
      request.settle(reply);
      return;
    }
    const lineage = this.member.node.replication?.lineage;
    const waiter = {
      deadlineMs: Math.min(deadlineMs, clock.now() + ANNOUNCE_MS_MAX),
      settle: () => request.settle(reply),
      fail: (error: CacheError) => request.fail(error),
    };
    announcer.announce({ keys, lineage, offset }, waiter);
  }

  doubt({ request }: RelayEntry): void {
    const { announcer } = this.#deps;
    const keys = announcer && announcedBy(request);
    if (keys !== undefined) announcer?.doubt(keys);
  }

  /** What waits for an answer fails. */
  close(): void {
    this.#connection?.close();
  }

  #sendAll(
    connection: RelayConnection,
    { isAsking, deadlineMs }: RelayEntry,
    commands: readonly AwaitedCommand[],
  ): void {
    // ASKING holds for the next command, and through MULTI for all up to EXEC. Where it fails that fails as well.
    const waiter = { deadlineMs, settle: () => undefined, fail: () => undefined };
    connection.sendAll(isAsking ? [{ words: ASKING, waiter }, ...commands] : commands);
  }
}

/** What others must hear of when the request is done; undefined: nothing. */
function announcedBy({
  isWrite,
  changesUnnamed,
  announced,
}: RelayRequest): readonly Key[] | 'everything' | undefined {
  if (!isWrite) return undefined;
  if (changesUnnamed) return 'everything';
  return announced.length > 0 ? announced : undefined;
}
