/**
 * One shard's part in relaying: its connections for the store's own words, at most one for each node and version of the
 * protocol, opened when first needed, and which node a read goes to. The order of what goes to the master is kept by
 * `relay-line.ts`.
 *
 * A read that any node may answer obeys the rules of an eventual READ (`shard-reader.ts`): a replica that is linked,
 * fresh, above the floor, and not behind the marks of any of its keys; else the master. In a cluster only GET goes to
 * replicas, and only a value counts: they do not know which slots are on their way to another shard, and there is no
 * telling from the other replies whether a key was absent.
 */
import type { Coherence } from '../coherence/coherence';
import type { ShardAnnouncer } from '../coherence/shard-announcer';
import type { CacheError } from '../core/errors';
import type {
  LinkOptions,
  Protocol,
  RelayLink,
  RelayRequest,
  RelaySubscriber,
  SubscriberOptions,
} from '../core/ports';
import type { Clock } from '../lib/clock';
import { isNodeTrouble, refusalOf, unreachable } from '../redis/redis-errors';
import { RelayConnection, type ReplyWaiter } from '../redis/relay-connection';
import { errorTextOf } from '../redis/reply-framer';
import type { Point } from './hash-ring';
import type { Member } from './member';
import { RelayChannel } from './relay-channel';
import type { RelayHold } from './relay-hold';
import { ShardLink, ShardSubscriber, type LentConnection } from './shard-link';
import type { ShardMembers } from './shard-members';

export interface ShardRelayDeps {
  readonly members: ShardMembers;
  readonly coherence: Coherence;
  readonly announcer: ShardAnnouncer | undefined;
  readonly isCluster: boolean;
  /** The largest value that is fetched; replies may be a good deal larger. */
  readonly storedBytesMax: number;
  readonly clock: Clock;
}

/** Of replies to commands of many values. What one caller asks for must not fill the memory of all. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024;
/** For a shared connection to be there; then another attempt begins. */
const OPEN_WAIT_MS = 1000;
/** From one attempt to the next. */
const OPEN_AGAIN_MS = 50;
/** The pace at which nodes and connections are compared. */
const TICK_MS = 50;

const GET = /^get$/i;
const STRING = 0x24;
const DIGIT_1 = 0x31;
const DIGIT_9 = 0x39;

interface Attempt {
  readonly channel: RelayChannel;
  /** Monotonic. */
  readonly startedMs: number;
  isOpening: boolean;
}

/** By the version of the protocol, and those that may read from a replica of a cluster apart from the others. */
type Attempts = Map<number, Attempt>;

export class ShardRelay {
  readonly #deps: ShardRelayDeps;
  readonly #members: ShardMembers;
  readonly #clock: Clock;
  readonly #attempts = new Map<Member, Attempts>();
  /** Links and subscribers. */
  readonly #lent = new Set<LentConnection>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(deps: ShardRelayDeps) {
    this.#deps = deps;
    this.#members = deps.members;
    this.#clock = deps.clock;
  }

  /** On which what only the master can carry out leaves now. undefined: on none yet; `hold` is woken when it may. */
  masterChannel(protocol: Protocol, hold: RelayHold): RelayChannel | undefined {
    const master = this.#members.usableMaster();
    return master && this.#channelTo(master, protocol, hold);
  }

  /** Whether a replica may answer it, if there is one that can. */
  isForReplicas({
    commands: [words],
    isWrite,
    isTransaction,
    isUnbounded,
    keys,
    from,
  }: RelayRequest): boolean {
    if (from !== 'any' || !this.#members.isReplicated) return false;
    if (isWrite || isTransaction || isUnbounded || keys.length === 0) return false;
    return !this.#deps.isCluster || GET.test(words?.[0]?.toString('latin1') ?? '');
  }

  /** What `isForReplicas`; `toMaster` is called, later perhaps, where no replica can. */
  read(request: RelayRequest, point: Point, hold: RelayHold, toMaster: () => void): void {
    this.#readFrom(request, point, hold, [], toMaster);
  }

  /** @throws CacheError `unavailable` */
  async open(options: LinkOptions): Promise<RelayLink> {
    const master = await this.#members.masterBy(options.deadlineMs);
    const channel = this.#createChannel(master, true);
    const link = new ShardLink(channel, () => this.#lent.delete(link));
    const connection = this.#connect(master, options.protocol, {
      onFlush: () => channel.flushing(),
      onEnd: () => link.end(),
    });
    channel.use(connection);
    await this.#openLent(connection, link, options.deadlineMs);
    link.onEnd = options.onEnd;
    return link;
  }

  /** @throws CacheError `unavailable` */
  async subscribe(options: SubscriberOptions): Promise<RelaySubscriber> {
    const master = await this.#members.masterBy(options.deadlineMs);
    const subscriber = new ShardSubscriber(master, () => this.#lent.delete(subscriber));
    const connection = this.#connect(master, options.protocol, {
      onMessage: options.onMessage,
      onEnd: () => subscriber.end(),
    });
    subscriber.use(connection);
    await this.#openLent(connection, subscriber, options.deadlineMs);
    subscriber.onEnd = options.onEnd;
    return subscriber;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const attempts of this.#attempts.values()) closeAll(attempts);
    this.#attempts.clear();
    for (const lent of [...this.#lent]) lent.end();
  }

  #readFrom(
    request: RelayRequest,
    point: Point,
    hold: RelayHold,
    tried: readonly Member[],
    toMaster: () => void,
  ): void {
    const member = this.#members.choose(request.keys, point, tried, []);
    if (member === this.#members.master) {
      toMaster();
      return;
    }
    if (member === undefined) {
      if (this.#members.usableMaster() !== undefined || tried.length > 0) {
        toMaster();
        return;
      }
      // The master is away and no replica is known to have the keys' last writes: it may have them by now.
      const leftMs = request.deadlineMs - this.#clock.now();
      void this.#members.askReplicas(leftMs).then(() => {
        const found = this.#members.choose(request.keys, point, tried, []);
        if (found === undefined) toMaster();
        else this.#readFrom(request, point, hold, tried, toMaster);
      });
      return;
    }
    const onward = (): void => this.#readFrom(request, point, hold, [...tried, member], toMaster);
    const channel = this.#channelTo(member, request.protocol, hold);
    const [words] = request.commands;
    if (channel === undefined || words === undefined) onward();
    else channel.read(words, this.#replicaRead(request, onward, toMaster));
  }

  #replicaRead(request: RelayRequest, onward: () => void, toMaster: () => void): ReplyWaiter {
    return {
      deadlineMs: request.deadlineMs,
      settle: (reply) => {
        const error = errorTextOf(reply);
        if (error !== undefined && refusalOf(error) !== undefined) onward();
        else if (this.#deps.isCluster && !isSomeText(reply)) toMaster();
        else request.settle(reply);
      },
      fail: (error: CacheError) => {
        if (error.code !== 'timeout' && isNodeTrouble(error)) onward();
        else request.fail(error);
      },
    };
  }

  #channelTo(member: Member, protocol: Protocol, hold: RelayHold): RelayChannel | undefined {
    let attempts = this.#attempts.get(member);
    if (attempts === undefined) this.#attempts.set(member, (attempts = new Map<number, Attempt>()));
    const kind = this.#isReadOnly(member) ? protocol + 2 : protocol;
    const attempt = attempts.get(kind);
    if (attempt?.channel.isReady === true) return attempt.channel;
    const nowMs = this.#clock.now();
    const isDue = attempt === undefined || (!attempt.isOpening && nowMs - attempt.startedMs >= OPEN_AGAIN_MS);
    if (isDue && !this.#closed) attempts.set(kind, this.#attempt(member, protocol, hold));
    return undefined;
  }

  #attempt(member: Member, protocol: Protocol, hold: RelayHold): Attempt {
    this.#watch();
    const channel = this.#createChannel(member, false);
    const connection = this.#connect(member, protocol, { onFlush: () => channel.flushing() });
    channel.use(connection);
    const nowMs = this.#clock.now();
    const attempt: Attempt = { channel, startedMs: nowMs, isOpening: true };
    const opened = (): void => {
      attempt.isOpening = false;
      hold.wake();
    };
    // A failure is followed by another attempt, and those that wait for this one look again by themselves.
    connection.open(nowMs + OPEN_WAIT_MS).then(opened, opened);
    return attempt;
  }

  #isReadOnly(member: Member): boolean {
    return this.#deps.isCluster && member !== this.#members.master;
  }

  #createChannel(member: Member, isLink: boolean): RelayChannel {
    return new RelayChannel({ ...this.#deps, member, isLink });
  }

  #connect(
    member: Member,
    protocol: Protocol,
    told: {
      readonly onFlush?: () => void;
      readonly onMessage?: (frame: Buffer) => void;
      readonly onEnd?: () => void;
    },
  ): RelayConnection {
    return new RelayConnection(member.address, {
      ...told,
      protocol,
      readOnly: this.#isReadOnly(member),
      replyBytesMax: Math.max(REPLY_BYTES_MAX, this.#deps.storedBytesMax),
      clock: this.#clock,
    });
  }

  async #openLent(connection: RelayConnection, lent: LentConnection, deadlineMs: number): Promise<void> {
    await connection.open(deadlineMs);
    if (this.#closed) {
      connection.close();
      throw unreachable();
    }
    this.#lent.add(lent);
    this.#watch();
  }

  #watch(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  /** Ends what leads to nodes that are gone, silent, or not what they were. */
  #tick(): void {
    const present = new Set(this.#members.all());
    const { master } = this.#members;
    for (const [member, attempts] of this.#attempts) {
      // Reads that a silent replica owes are asked elsewhere.
      if (present.has(member) && (member === master || member.node.usable)) continue;
      this.#attempts.delete(member);
      closeAll(attempts);
    }
    for (const lent of this.#lent) {
      if (lent.member !== master || lent.losses !== lent.member.losses) lent.end();
    }
  }
}

function closeAll(attempts: Attempts): void {
  for (const { channel } of attempts.values()) channel.close();
}

/** A string that is not empty: there is a value. */
function isSomeText(reply: Buffer): boolean {
  const [kind, digit = 0] = reply;
  return kind === STRING && digit >= DIGIT_1 && digit <= DIGIT_9;
}
