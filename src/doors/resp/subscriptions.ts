/**
 * What a session is subscribed to. A channel lives on the shard of its name, a pattern is subscribed to on every shard,
 * and there is one connection to each shard that is needed. Messages are handed on as they come; the confirmations are
 * made here, since only here is known how many channels there are:
 *
 *   1. PSUBSCRIBE p   is told to shards 1 and 2
 *   2. shard 1 confirms, and sends a message for p
 *   3. shard 2 confirms, and the client hears of the confirmation
 *
 * The message of 2 would come before its subscription's confirmation, which no client expects: until 3 nobody is
 * subscribed, and it is dropped. From 3 on nothing is missed unsaid. What comes in the same packet behind the last
 * confirmation was counted as delivered, so 3 is done before the next frame is looked at. If the connection to a shard
 * is lost, the client's ends too, and it subscribes anew; and so it does when a shard channel moves to another shard, or
 * there are more shards or fewer:
 *
 *   1. SSUBSCRIBE c     is told to shard 1
 *   2. the slot of c moves to shard 2. Shard 1 says `sunsubscribe c`, which nobody has asked for
 *   3. SPUBLISH c       reaches those who are subscribed on shard 2, and this client is not
 *
 * Messages leave as they come, whatever replies are owed. A client that does not read them is closed by its connection.
 */
import type { Key } from '../../core/command';
import { CacheError } from '../../core/errors';
import type { Principal } from '../../core/grants';
import { keyFromBytes } from '../../core/key';
import type { Protocol, Words } from '../../core/ports';
import { permit, type Claim } from '../../core/relay';
import { withDeadline } from '../../lib/deadline';
import { isErrorReply } from '../../lib/whole-reply';
import { channelOf, homeOf, isEverywhere, isReserved, literalHeadOf } from './channels';
import type { CommandSpec } from './command-spec';
import { encodeBulk, encodeInteger, encodeNull, encodePushHeader } from './encoder';
import { principalOf } from './local/local-command';
import { bytesOf, elementsOf } from './reply-parts';
import { checkKeyBytes } from './key-bytes';
import type { SessionWork } from './session-work';
import { SubscriberLinks, type SubscriberLink } from './subscriber-links';

/** Of one session. */
const CHANNELS_MAX = 16_384;
/** Of one session: a shard compares each message with all of them. */
const PATTERNS_MAX = 1000;

type Kind = 'channel' | 'pattern' | 'shard channel';

interface Form {
  readonly kind: Kind;
  readonly begins: boolean;
}

const FORMS: Readonly<Record<string, Form>> = {
  subscribe: { kind: 'channel', begins: true },
  psubscribe: { kind: 'pattern', begins: true },
  ssubscribe: { kind: 'shard channel', begins: true },
  unsubscribe: { kind: 'channel', begins: false },
  punsubscribe: { kind: 'pattern', begins: false },
  sunsubscribe: { kind: 'shard channel', begins: false },
};

/** The kinds of messages, by their first words. */
const MESSAGES: Readonly<Record<string, Kind>> = {
  message: 'channel',
  pmessage: 'pattern',
  smessage: 'shard channel',
};

/** What shards were told and have not confirmed. */
interface Awaited {
  /** How many of them. */
  left: number;
  /** Called in the stretch in which the last of them confirms. */
  readonly done: () => void;
  readonly fail: (error: CacheError) => void;
}

export class Subscriptions {
  readonly #work: SessionWork;
  /** And where each is subscribed to: a slot may have moved since, and its channel with it. */
  readonly #names: Readonly<Record<Kind, Map<Key, readonly SubscriberLink[]>>> = {
    channel: new Map(),
    pattern: new Map(),
    'shard channel': new Map(),
  };
  readonly #links: SubscriberLinks;
  readonly #awaited = new Map<string, Awaited>();
  /** Whose rights the subscriptions were last checked against. */
  #principal: Principal | undefined;
  /** As many as there were when the first subscription began. */
  #shardCount = 0;

  constructor(work: SessionWork) {
    this.#work = work;
    this.#links = new SubscriberLinks(work, {
      onFrame: (shard, protocol, frame) => {
        this.#receive(shard, protocol, frame);
      },
      onLoss: () => {
        this.#lose();
      },
    });
  }

  /** SUBSCRIBE and its like. Goes alone. @throws CacheError, Refusal */
  async perform(principal: Principal, spec: CommandSpec, words: Words): Promise<void> {
    const form = FORMS[spec.name];
    if (form === undefined) throw new CacheError('internal', 'Something went wrong inside ringcache.');
    const { kind, begins } = form;
    const names = words.slice(1).map(begins && kind !== 'pattern' ? channelOf : nameOf);
    if (begins) this.#check(principal, kind, names);
    await this.#work.state.replies.settled();
    if (begins) {
      this.#checkShards();
      for (const name of names) await this.#begin(principal, spec.name, kind, name);
      return;
    }
    const leaving = names.length > 0 ? names : [...this.#names[kind].keys()];
    for (const name of leaving) await this.#leave(spec.name, kind, name);
    if (leaving.length === 0) this.#confirm(spec.name, kind, undefined);
  }

  /** For RESET and the end of the session: nothing is subscribed to any more. */
  abandon(): void {
    for (const names of Object.values(this.#names)) names.clear();
    this.#work.state.subscriptions = 0;
    for (const awaited of this.#awaited.values()) awaited.fail(lost());
    this.#awaited.clear();
    this.#links.close();
  }

  /** To be called about twice a second. @throws CacheError when the client may not hear of all that it is subscribed to */
  recheck(): void {
    if (this.#count === 0) return;
    if (this.#work.relay.shardCount !== this.#shardCount) this.#lose();
    else this.#permitAll(principalOf(this.#work.state));
  }

  end(): void {
    this.#links.end();
    this.abandon();
  }

  /** @throws CacheError `forbidden`, `too_large` */
  #check(principal: Principal, kind: Kind, names: readonly Key[]): void {
    const { policy } = this.#work;
    // The client may be another one than that of the earlier subscriptions, which go on.
    this.#permitAll(principal);
    permit(principal, claimOf(kind, names));
    checkKeyBytes(names, policy.keyBytesMax);
    const { channel, pattern, 'shard channel': shardChannel } = this.#names;
    const fresh = new Set(names.filter((name) => !this.#names[kind].has(name))).size;
    if (kind === 'pattern' && pattern.size + fresh > PATTERNS_MAX)
      throw new CacheError('too_large', `A connection has at most ${PATTERNS_MAX} patterns.`);
    if (kind !== 'pattern' && channel.size + shardChannel.size + fresh > CHANNELS_MAX)
      throw new CacheError('too_large', `A connection has at most ${CHANNELS_MAX} channels.`);
  }

  /** @throws CacheError `forbidden` when there is anything that they may not hear of */
  #permitAll(principal: Principal): void {
    if (principal === this.#principal) return;
    for (const kind of KINDS) permit(principal, claimOf(kind, [...this.#names[kind].keys()]));
    this.#principal = principal;
  }

  get #count(): number {
    const { channel, pattern, 'shard channel': shardChannel } = this.#names;
    return channel.size + pattern.size + shardChannel.size;
  }

  /** The links that there are lead to the shards by the numbers of then. @throws CacheError `unavailable` */
  #checkShards(): void {
    const { shardCount } = this.#work.relay;
    if (shardCount === this.#shardCount) return;
    if (this.#count > 0) {
      this.#lose();
      throw lost();
    }
    this.#links.close();
    this.#shardCount = shardCount;
  }

  async #begin(principal: Principal, command: string, kind: Kind, name: Key): Promise<void> {
    if (this.#names[kind].has(name)) {
      this.#confirm(command, kind, name);
      return;
    }
    const links = await Promise.all(this.#shardsOf(kind, name).map((shard) => this.#links.at(shard)));
    await this.#tell(links, command, name, () => {
      this.#names[kind].set(name, links);
      // The others were checked against somebody else's rights meanwhile.
      if (principal !== this.#principal) this.#principal = undefined;
      this.#confirm(command, kind, name);
    });
  }

  async #leave(command: string, kind: Kind, name: Key): Promise<void> {
    const links = this.#names[kind].get(name);
    const confirm = (): void => {
      this.#names[kind].delete(name);
      this.#confirm(command, kind, name);
    };
    if (links === undefined) confirm();
    else await this.#tell(links, command, name, confirm);
  }

  /**
   * Resolves when all shards that it concerns have confirmed; `onLast` is called before anything else that they have said
   * is looked at. @throws CacheError `unavailable`, `timeout`
   */
  async #tell(
    links: readonly SubscriberLink[],
    command: string,
    name: Key,
    onLast: () => void,
  ): Promise<void> {
    const { state } = this.#work;
    const awaitedAs = awaitedName(command, name);
    const confirmed = new Promise<void>((resolve, fail) => {
      const done = (): void => {
        this.#awaited.delete(awaitedAs);
        onLast();
        resolve();
      };
      this.#awaited.set(awaitedAs, { left: links.length, done, fail });
    });
    const words = [Buffer.from(command), Buffer.from(name, 'latin1')];
    for (const link of links) link.tell(words);
    try {
      await withDeadline(confirmed, state.deps.limits.requestTimeoutMs, tooLate);
    } catch (thrown) {
      // What the shards have done of it is not known, and the client could not be told what it is subscribed to.
      state.close();
      throw thrown;
    } finally {
      this.#awaited.delete(awaitedAs);
    }
  }

  #shardsOf(kind: Kind, name: Key): number[] {
    const { relay } = this.#work;
    if (kind === 'pattern' || isEverywhere(name))
      return Array.from({ length: relay.shardCount }, (_, at) => at);
    return [relay.shardOf(homeOf(name))];
  }

  #receive(shard: number, protocol: Protocol, frame: Buffer): void {
    if (isErrorReply(frame)) {
      // The channel is on another shard by now, or this one takes no subscribers.
      this.#lose();
      return;
    }
    const [type, first, second] = elementsOf(frame).map(bytesOf);
    const word = type?.toString('latin1') ?? '';
    const name = nameOf(first);
    const kind = MESSAGES[word];
    if (kind === undefined) {
      this.#receiveConfirmation(word, name);
      return;
    }
    if (!this.#names[kind].has(name)) return;
    if (kind === 'pattern' && !this.#isHome(shard, nameOf(second))) return;
    if (this.#isStillAllowed()) this.#work.state.replies.push(this.#spelt(protocol, frame));
  }

  #receiveConfirmation(command: string, name: Key): void {
    const awaited = this.#awaited.get(awaitedName(command, name));
    if (awaited !== undefined) {
      awaited.left -= 1;
      if (awaited.left === 0) awaited.done();
      return;
    }
    const form = FORMS[command];
    if (form?.begins === false && this.#names[form.kind].has(name)) this.#lose();
  }

  /** The client may not hear of all that it is subscribed to, and is told so by the end of its connection. */
  #lose(): void {
    const { state } = this.#work;
    state.deps.log.info({ door: 'resp', address: state.address }, 'a subscription was lost');
    this.abandon();
    state.close();
  }

  /** A message that matches a pattern comes from the shard of its channel; in a cluster the others hear of it too. */
  #isHome(shard: number, channel: Key): boolean {
    if (isReserved(channel)) return false;
    return isEverywhere(channel) || this.#work.relay.shardOf(homeOf(channel)) === shard;
  }

  /** Ends the connection of a client that was revoked, or whose rights to what it is subscribed to were. */
  #isStillAllowed(): boolean {
    const { state } = this.#work;
    try {
      this.#permitAll(principalOf(state));
      return true;
    } catch {
      this.abandon();
      state.close();
      return false;
    }
  }

  /** The client may have changed to the other protocol since the connection was opened. */
  #spelt(protocol: Protocol, frame: Buffer): Buffer {
    const { protocol: wanted } = this.#work.state;
    return protocol === wanted
      ? frame
      : Buffer.concat([encodePushHeader(elementsOf(frame).length, wanted), ...elementsOf(frame)]);
  }

  #confirm(command: string, kind: Kind, name: Key | undefined): void {
    const { state } = this.#work;
    const { channel, pattern, 'shard channel': shardChannel } = this.#names;
    const count = kind === 'shard channel' ? shardChannel.size : channel.size + pattern.size;
    state.subscriptions = this.#count;
    state.replies.write(
      Buffer.concat([
        encodePushHeader(3, state.protocol),
        encodeBulk(command),
        name === undefined ? encodeNull(state.protocol) : encodeBulk(Buffer.from(name, 'latin1')),
        encodeInteger(count),
      ]),
    );
  }
}

const KINDS: readonly Kind[] = ['channel', 'pattern', 'shard channel'];

function claimOf(kind: Kind, names: readonly Key[]): Claim {
  return {
    scopes: names.length === 0 ? [] : ['read'],
    keys: kind === 'pattern' ? names.map(literalHeadOf) : names,
    isUnbounded: false,
  };
}

function nameOf(word: Buffer | undefined): Key {
  return keyFromBytes(word ?? Buffer.alloc(0));
}

function awaitedName(command: string, name: Key): string {
  return `${command} ${name}`;
}

function tooLate(): CacheError {
  return new CacheError('timeout', 'The subscription was not confirmed in time.');
}

function lost(): CacheError {
  return new CacheError('unavailable', 'The subscriptions of this connection were lost: subscribe anew.');
}
