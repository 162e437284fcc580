/**
 * One relayed request on its way: it waits for its reply by itself, since a promise for each command would cost as
 * much as all the rest. Who sent it (`RelayJudge`) decides whether the reply counts; where the request changes
 * something, its keys are marked before anybody hears of that.
 */
import type { Key } from '../core/command';
import type { CacheError } from '../core/errors';
import type { RelayRequest } from '../core/ports';
import { MaybeRefused, NotDone, refusalOf, wholeRefusalOf } from '../redis/redis-errors';
import type { ReplyWaiter } from '../redis/relay-connection';
import { errorTextOf } from '../redis/reply-framer';
import type { Member } from './member';

/** Who sent an entry, and is told once what became of it on that channel. */
export interface RelayJudge {
  /** In a cluster the slot of all that it sends; undefined: there are none, or it does not speak of one. */
  readonly slot: number | undefined;
  /** It was answered. False: the answer does not count, and the judge sends the entry again. */
  accepts(entry: RelayEntry): boolean;
  /**
   * It was refused, or no answer came. `NotDone`: it was certainly not carried out. `MaybeRefused`: a script said so, or the
   * node did of the script.
   */
  fails(entry: RelayEntry, error: CacheError): void;
}

/** On what an entry is sent. */
export interface EntryChannel {
  readonly member: Member;
  /** No replica may show what was before the entry; `offset` has it in it, `Infinity`: not known. */
  mark(entry: RelayEntry, offset: number): void;
  /** The entry, a change that is marked, may be answered so as soon as others need not see what was before it. */
  announce(entry: RelayEntry, reply: Buffer, offset: number): void;
  /** The entry, a change, may have been carried out, or may be still. */
  doubt(entry: RelayEntry): void;
}

/** With whom an entry was sent, where it changes something. */
export interface EntryGroup {
  /** The entry is answered so, as soon as it can be marked. */
  hold(entry: RelayEntry, reply: Buffer): void;
}

const MINUS = 0x2d;

export class RelayEntry implements ReplyWaiter {
  readonly deadlineMs: number;
  /** On which it was sent last. */
  channel: EntryChannel | undefined;
  group: EntryGroup | undefined;
  /** Why it was refused last. */
  refusal: CacheError | undefined;
  /** In a cluster: its slot is on its way to the node that it is sent to. */
  isAsking = false;
  /** And this is who owns the slot still. */
  leaving: { changedElsewhere(key: Key): void } | undefined;
  /** In a cluster: how often it was sent elsewhere. */
  redirections = 0;
  /** The how manyth of its line it was when it was sent last. */
  order = 0;
  /** While it is held back: until when (monotonic). */
  untilMs = Infinity;

  constructor(
    readonly request: RelayRequest,
    readonly judge: RelayJudge,
  ) {
    this.deadlineMs = request.deadlineMs;
  }

  /** Of its words, for limits. */
  get bytes(): number {
    let bytes = 0;
    for (const words of this.request.commands) for (const word of words) bytes += word.length;
    return bytes;
  }

  /** The reply to a single command. */
  settle(reply: Buffer): void {
    const error = reply[0] === MINUS ? errorTextOf(reply) : undefined;
    const refusal = error === undefined ? undefined : this.#refusalIn(error);
    if (refusal === undefined) this.accept(reply);
    else if (this.request.changesUnnamed) this.refuse(new MaybeRefused(refusal));
    else this.refuse(refusal);
  }

  /** This is the answer, whatever it says. */
  accept(reply: Buffer): void {
    if (!this.judge.accepts(this)) return;
    if (this.group === undefined) this.finish(reply, Infinity);
    else this.group.hold(this, reply);
  }

  /** The node has answered, and does not carry it out. */
  refuse(refusal: CacheError): void {
    if (refusal instanceof MaybeRefused) this.channel?.doubt(this);
    this.judge.fails(this, refusal);
  }

  /** No answer came, or one that is too long to be passed on. */
  fail(error: CacheError): void {
    if (error.code === 'too_large' && this.request.isWrite) this.channel?.mark(this, Infinity);
    if (this.request.isWrite && !(error instanceof NotDone)) this.channel?.doubt(this);
    this.judge.fails(this, error);
  }

  /** What names all its keys runs no script, so that whatever looks like a refusal is one. */
  #refusalIn(error: string): CacheError | undefined {
    return this.request.isUnbounded ? wholeRefusalOf(error, this.judge.slot) : refusalOf(error);
  }

  /** `offset` of the replication stream has what it changed in it; `Infinity`: not known. */
  finish(reply: Buffer, offset: number): void {
    const { channel, request } = this;
    if (!request.isWrite || channel === undefined) {
      request.settle(reply);
      return;
    }
    channel.mark(this, offset);
    channel.announce(this, reply, offset);
  }
}
