/** What is queued between MULTI and EXEC: what is sent, and how the reply to EXEC is put together. */
import type { Key } from '../../core/command';
import { CacheError } from '../../core/errors';
import type { Principal } from '../../core/grants';
import type { Whereabouts, Words } from '../../core/ports';
import { permit, type RelayedCommand } from '../../core/relay';
import { isErrorReply } from '../../lib/whole-reply';
import { CapturedReply } from './captured-reply';
import type { CommandSpec } from './command-spec';
import { REPLY } from './encoder';
import { Malformed } from './key-rules';
import { checkOnePlace, prepare, type Prepared } from './keyed-commands';
import { LOCAL_COMMANDS } from './local/local-commands';
import { arrayOf, elementsOf, isNullReply } from './reply-parts';
import { replyToThrown } from './refusal';
import type { Effect, SessionWork } from './session-work';

const COMMANDS_MAX = 10_000;
const BYTES_MAX = 64 * 1024 * 1024;
/** What a word costs beside its bytes. */
const WORD_BYTES = 100;

type Queued =
  /** What it replies when it is its turn is known: it is malformed, or there is nothing to do. */
  | { readonly kind: 'ready'; readonly spec: CommandSpec; readonly words: Words; readonly reply: Buffer }
  | {
      readonly kind: 'relayed';
      readonly spec: CommandSpec;
      readonly words: Words;
      readonly prepared: Prepared;
    }
  | { readonly kind: 'local'; readonly spec: CommandSpec; readonly words: Words };

export class ExecQueue {
  /** A command was refused: EXEC will be too. */
  isVoid = false;
  readonly #work: SessionWork;
  readonly #queued: Queued[] = [];
  readonly #commands: RelayedCommand[] = [];
  #bytes = 0;
  /** Of the first command that names keys, or channels. */
  #firstKey: Key | undefined;
  #hasLocal = false;
  /** Whose rights all of them were checked against; undefined: those of several. */
  #principal: Principal | undefined;

  constructor(
    work: SessionWork,
    private readonly watchedKey: Key | undefined,
  ) {
    this.#work = work;
  }

  get length(): number {
    return this.#queued.length;
  }

  /** The store has a part in it. */
  get isRelayed(): boolean {
    return this.#commands.length > 0;
  }

  /** The door has a part in it. */
  get hasLocal(): boolean {
    return this.#hasLocal;
  }

  get commands(): readonly RelayedCommand[] {
    return this.#commands;
  }

  get at(): Whereabouts {
    return this.#firstKey ?? 0;
  }

  get keys(): readonly Key[] {
    return this.#commands.flatMap(({ keys }) => keys);
  }

  get effect(): Effect {
    const isSweep = this.#queued.some(
      (queued) =>
        queued.kind === 'relayed' && (queued.prepared.command.isUnbounded || hasNoKeys(queued.prepared)),
    );
    if (isSweep) return 'sweep';
    return this.#commands.some(({ isWrite }) => isWrite) ? 'change' : 'read master';
  }

  /** @throws CacheError, Refusal when the command cannot be a part of a transaction, or of this one */
  add(principal: Principal, spec: CommandSpec, words: Words): void {
    this.#bytes += words.reduce((sum, word) => sum + word.length + WORD_BYTES, 0);
    if (this.#queued.length >= COMMANDS_MAX || this.#bytes > BYTES_MAX) {
      throw new CacheError('too_large', 'The transaction has too many commands, or too many bytes.');
    }
    // The words are views of what has arrived, which would be kept as a whole.
    this.#take(
      principal,
      spec,
      words.map((word) => Buffer.from(word)),
    );
  }

  /** For whom it is to be carried out, who need not be who queued it; void if they may not do all of it. */
  renewedFor(principal: Principal): ExecQueue {
    if (this.isVoid || this.#queued.length === 0 || principal === this.#principal) return this;
    const renewed = new ExecQueue(this.#work, this.watchedKey);
    try {
      for (const { spec, words } of this.#queued) renewed.#take(principal, spec, words);
    } catch {
      renewed.isVoid = true;
    }
    return renewed;
  }

  #take(principal: Principal, spec: CommandSpec, words: Words): void {
    if (this.#queued.length === 0) this.#principal = principal;
    else if (principal !== this.#principal) this.#principal = undefined;
    if (spec.kind === 'local') {
      this.#hasLocal = true;
      this.#queued.push({ kind: 'local', spec, words });
    } else if (spec.name === 'unwatch') {
      // EXEC itself has ended the watching by then.
      this.#queued.push({ kind: 'ready', spec, words, reply: REPLY.ok });
    } else {
      try {
        this.#queued.push({ kind: 'relayed', spec, words, prepared: this.#prepare(principal, spec, words) });
      } catch (thrown) {
        if (!(thrown instanceof Malformed)) throw thrown;
        this.#queued.push({ kind: 'ready', spec, words, reply: replyToThrown(thrown) });
      }
    }
  }

  #prepare(principal: Principal, spec: CommandSpec, words: Words): Prepared {
    const { relay } = this.#work;
    if (WHOLE_KINDS.has(spec.kind) && !spec.name.endsWith('publish') && relay.shardCount > 1) {
      throw new CacheError('bad_request', 'Command not allowed inside a transaction');
    }
    const prepared = prepare(this.#work, principal, spec, words);
    const { command, parts } = prepared;
    permit(principal, command);
    const [key] = command.keys;
    const others = [this.#firstKey, this.watchedKey].filter((other) => other !== undefined);
    if (key !== undefined) checkOnePlace(relay, [...others, key]);
    this.#firstKey ??= key;
    this.#commands.push(...(parts ?? [command]));
    return prepared;
  }

  /** The reply to EXEC, of the store's. */
  read(reply: Buffer): Buffer {
    if (isErrorReply(reply) || isNullReply(reply) || !this.#queued.some(isRead)) return reply;
    return this.#assemble(reply, []);
  }

  /** As `read`, with what the door answers itself in its places. Never rejects. */
  async readWithLocal(reply: Buffer): Promise<Buffer> {
    if (!this.#hasLocal && this.isRelayed) return this.read(reply);
    if (isErrorReply(reply) || isNullReply(reply)) return reply;
    const local: Buffer[] = [];
    for (const queued of this.#queued) if (queued.kind === 'local') local.push(await this.#answer(queued));
    return this.#assemble(reply, local);
  }

  #assemble(reply: Buffer, local: readonly Buffer[]): Buffer {
    const elements = elementsOf(reply);
    let at = 0;
    let localAt = 0;
    return arrayOf(
      this.#queued.map((queued) => {
        if (queued.kind === 'local') return local[localAt++] ?? Buffer.alloc(0);
        if (queued.kind === 'ready') return queued.reply;
        const { parts, read } = queued.prepared;
        const own = parts === undefined ? elements[at] : arrayOf(elements.slice(at, at + parts.length));
        at += parts?.length ?? 1;
        const element = own ?? Buffer.alloc(0);
        return read === undefined ? element : read(element);
      }),
    );
  }

  async #answer({ spec, words }: Extract<Queued, { kind: 'local' }>): Promise<Buffer> {
    const { state } = this.#work;
    const captured = new CapturedReply();
    const { replies } = state;
    // A local command takes its place in the line before it returns.
    state.replies = captured;
    try {
      void LOCAL_COMMANDS.get(spec.name)?.(state, words);
    } catch (thrown) {
      captured.write(replyToThrown(thrown));
    } finally {
      state.replies = replies;
    }
    return captured.whole;
  }
}

/** Of commands that concern the store as a whole, or one server. */
const WHOLE_KINDS: ReadonlySet<string> = new Set(['everywhere', 'single', 'scan', 'channel']);

function hasNoKeys({ spec, command }: Prepared): boolean {
  return command.keys.length === 0 || spec.kind === 'channel';
}

function isRead(queued: Queued): boolean {
  if (queued.kind !== 'relayed') return true;
  return queued.prepared.read !== undefined || queued.prepared.parts !== undefined;
}
