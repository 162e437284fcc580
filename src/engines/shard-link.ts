/**
 * Connections to a shard's master that one caller has alone: a link for what blocks or watches, a subscriber for what is
 * published. Nothing is sent twice here: what the caller has begun on the connection is not known elsewhere. The shard
 * ends them when it cannot vouch for them any more (`shard-relay.ts`).
 */
import type { CacheError } from '../core/errors';
import type { RelayLink, RelayRequest, RelaySubscriber, Words } from '../core/ports';
import type { RelayConnection } from '../redis/relay-connection';
import type { Member } from './member';
import type { RelayChannel } from './relay-channel';
import { RelayEntry, type RelayJudge } from './relay-entry';

export abstract class LentConnection {
  readonly member: Member;
  /** How often the node's data connection had been lost when this one was opened. */
  readonly losses: number;
  /** Told of an end that the caller did not ask for; to be set when it is open. */
  onEnd: () => void = () => undefined;
  readonly #onGone: () => void;
  #isOver = false;

  /** `onGone` is told of each end. */
  constructor(member: Member, onGone: () => void) {
    this.member = member;
    this.losses = member.losses;
    this.#onGone = onGone;
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.disconnect();
    this.#onGone();
  }

  /** The node is no master any more, or the connection has ended. */
  end(): void {
    if (this.#isOver) return;
    this.close();
    this.onEnd();
  }

  protected abstract disconnect(): void;
}

export class ShardLink extends LentConnection implements RelayLink, RelayJudge {
  readonly slot = undefined;
  readonly #channel: RelayChannel;

  constructor(channel: RelayChannel, onGone: () => void) {
    super(channel.member, onGone);
    this.#channel = channel;
  }

  send(request: RelayRequest): void {
    this.#channel.send(new RelayEntry(request, this));
  }

  accepts(): boolean {
    return true;
  }

  fails({ request }: RelayEntry, error: CacheError): void {
    request.fail(error);
  }

  protected disconnect(): void {
    this.#channel.close();
  }
}

export class ShardSubscriber extends LentConnection implements RelaySubscriber {
  #connection: RelayConnection | undefined;

  /** Once: what it works with. */
  use(connection: RelayConnection): void {
    this.#connection = connection;
  }

  tell(words: Words): void {
    this.#connection?.tell(words);
  }

  protected disconnect(): void {
    this.#connection?.close();
  }
}
