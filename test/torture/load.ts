/**
 * Steady load: callers with sessions and without, plain and `strong` READs, WRITEs with a short life or confirmed by a
 * replica, DELETEs, and somebody who writes straight to the masters. Every operation is recorded.
 */
import type { Redis } from 'ioredis';
import { createClient } from '../../src/redis/client';
import type { RedisProcess } from '../support/redis';
import { Door } from './door';
import type { GatewaySlot } from './gateways';
import { type Call, FOREIGN, type Operation, type Recorder } from './history';
import { repeat } from './pace';
import { createZipf, type Random } from './random';
import type { Topology } from './topology';

export interface LoadOptions {
  readonly recorder: Recorder;
  readonly slots: readonly GatewaySlot[];
  readonly topology: Topology;
  readonly random: Random;
  readonly authorization: string;
  /** Stands in the name of each caller, and so in each value: two runs upon the same processes have none in common. */
  readonly name: string;
  /** Operations a second over all callers. */
  readonly rate: number;
  /**
   * `fixed`: a caller has its gateway, those with a session use all of them. `balanced`: any, and where nobody
   * listens, at once the next, as behind a load balancer.
   */
  readonly routing: 'fixed' | 'balanced';
  /** Replicas that must confirm those writes that ask for it. */
  readonly ack: 1 | 2;
  /** Whether the gateways know sessions. */
  readonly sessions: boolean;
}

/**
 * What a kind of caller does. Each does one thing at a time, so one that waits for what a fault holds up does nothing
 * else meanwhile: whether READs go on is seen by those who only read.
 */
interface Role {
  /** Of its operations; the others are DELETEs. */
  readonly reads: number;
  readonly writes: number;
  /** Of its READs, those that are `strong`. */
  readonly strong: number;
  /** Of its changes, those that a replica must confirm. */
  readonly confirmed: number;
  readonly hasSession: boolean;
}

const PLAIN: Role = { reads: 0.4, writes: 0.5, strong: 0, confirmed: 0, hasSession: false };
const READER: Role = { ...PLAIN, reads: 1, writes: 0 };
const SESSION: Role = { ...PLAIN, reads: 0.7, writes: 0.25, hasSession: true };
const STRONG: Role = { ...PLAIN, strong: 0.8 };
const CONFIRMED: Role = { ...PLAIN, confirmed: 0.6 };

/** Together 70 % READs, 25 % WRITEs, 5 % DELETEs. Of each role as many as there may be gateways for one each. */
const CALLERS: readonly Role[] = [
  ...[SESSION, SESSION, SESSION, SESSION],
  ...[READER, READER, READER, READER, READER, READER],
  ...[PLAIN, PLAIN, STRONG, STRONG, CONFIRMED, CONFIRMED],
];

/** The state of one caller. */
interface Caller {
  readonly n: number;
  readonly role: Role;
  /** One to each gateway. */
  readonly doors: readonly Door[];
  readonly session: string | undefined;
  /** Of the session; empty: it begins. */
  token: string;
}

/** Of all operations, those made straight on a master. */
const FOREIGN_SHARE = 0.05;
/** Names that must be keys like others stand among them. */
export const KEYS: readonly string[] = [
  ...Array.from({ length: 36 }, (_, n) => `key-${n}`),
  ...['__proto__', 'constructor', 'a key', 'ключ'],
  ...Array.from({ length: 40 }, (_, n) => `cold-${n}`),
];
/** The longest life that a WRITE asks for. */
export const TTL_MS_MAX = 3000;

export interface LoadCounts {
  readonly operations: number;
  /** Of them, those that were not answered as they should. */
  readonly errors: number;
}

interface Plan {
  readonly op: Operation['op'];
  readonly key: string;
  readonly ttlMs: number | undefined;
  readonly ack: 0 | 1 | 2;
  readonly strong: boolean;
}

export class Load {
  readonly #options: LoadOptions;
  readonly #pickKey = createZipf(KEYS);
  readonly #work: Promise<unknown>[] = [];
  readonly #doors: Door[] = [];
  readonly #masters = new Map<RedisProcess, Redis>();
  #operations = 0;
  #errors = 0;
  #stopped = false;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  get counts(): LoadCounts {
    return { operations: this.#operations, errors: this.#errors };
  }

  start(): void {
    const { random, rate } = this.#options;
    const intervalMs = (1000 * CALLERS.length) / (rate * (1 - FOREIGN_SHARE));
    const isOver = (): boolean => this.#stopped;
    for (const [n, role] of CALLERS.entries()) {
      const caller = this.#createCaller(n, role);
      const chance = random.stream(`caller ${n}`);
      this.#work.push(
        repeat(intervalMs, random.stream(`pace ${n}`), isOver, () => this.#act(caller, chance)),
      );
    }
    const foreign = random.stream('foreign');
    this.#work.push(
      repeat(1000 / (rate * FOREIGN_SHARE), random.stream('pace of the foreign'), isOver, () =>
        this.#actForeign(foreign),
      ),
    );
  }

  /** Resolves when the last operation has been answered or given up. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#work);
    for (const door of this.#doors) door.close();
    for (const client of this.#masters.values()) client.disconnect();
  }

  #createCaller(n: number, role: Role): Caller {
    const doors = this.#options.slots.map((slot) => new Door(slot));
    this.#doors.push(...doors);
    const session = role.hasSession && this.#options.sessions ? `s${n}` : undefined;
    return { n, role, doors, session, token: '' };
  }

  async #act(caller: Caller, random: Random): Promise<void> {
    const { slots, routing } = this.#options;
    const plan = this.#plan(caller.role, random);
    const anywhere = Math.floor(random.next() * slots.length);
    const isFixed = routing === 'fixed' && caller.session === undefined;
    const first = isFixed ? caller.n % slots.length : anywhere;
    for (let step = 0; step < (routing === 'fixed' ? 1 : slots.length); step += 1) {
      const code = await this.#ask(caller, plan, (first + step) % slots.length);
      if (code !== 'refused') return;
    }
  }

  /** The code of what went wrong. */
  async #ask(caller: Caller, plan: Plan, place: number): Promise<string | undefined> {
    const { session } = caller;
    const pending = this.#begin(plan, {
      process: `c${caller.n}.${this.#options.name}`,
      gateway: this.#options.slots[place]!.name,
      session,
      consistency: plan.strong ? 'strong' : session === undefined ? 'eventual' : 'session',
    });
    const heard = await caller.doors[place]!.ask({
      op: plan.op,
      body: bodyOf(plan, pending.value),
      authorization: this.#options.authorization,
      session: session === undefined ? undefined : caller.token,
    });
    pending.end(heard);
    if (heard.outcome === 'conflict') caller.token = '';
    else caller.token = heard.session ?? caller.token;
    this.#count(heard.outcome, heard.code);
    return heard.code;
  }

  async #actForeign(random: Random): Promise<void> {
    const { topology } = this.#options;
    const key = this.#pickKey(random);
    const op = random.chance(0.8) ? 'WRITE' : 'DELETE';
    let client: Redis;
    try {
      client = this.#connect(await topology.masterOf(topology.shardOf(key)));
    } catch {
      return;
    }
    if (client.status !== 'ready') return;
    const pending = this.#begin(
      { op, key, ttlMs: undefined, ack: 0, strong: false },
      { process: `foreign.${this.#options.name}`, gateway: FOREIGN },
    );
    try {
      if (op === 'WRITE') {
        await inTime(client.set(key, pending.value!));
        pending.end({ outcome: 'ok' });
      } else {
        pending.end({ outcome: (await inTime(client.del(key))) === 1 ? 'ok' : 'not_found' });
      }
    } catch (error) {
      const isRefusal = error instanceof Error && error.name === 'ReplyError';
      pending.end({ outcome: isRefusal ? 'failed' : 'unknown', code: 'redis' });
    }
  }

  #connect(master: RedisProcess): Redis {
    const known = this.#masters.get(master);
    if (known !== undefined) return known;
    const client = createClient(master.address);
    client.on('error', () => undefined);
    client.connect().catch(() => undefined);
    this.#masters.set(master, client);
    return client;
  }

  #begin(
    plan: Plan,
    who: Pick<Call, 'process' | 'gateway' | 'session' | 'consistency'>,
  ): ReturnType<Recorder['begin']> {
    const { op, key, ttlMs, ack } = plan;
    return this.#options.recorder.begin({ op, key, ...(ttlMs === undefined ? {} : { ttlMs }), ack, ...who });
  }

  #count(outcome: Operation['outcome'], code: string | undefined): void {
    this.#operations += 1;
    if (outcome === 'ok' || outcome === 'not_found') return;
    if (this.#options.routing === 'balanced' && code === 'refused') return;
    this.#errors += 1;
  }

  #plan({ reads, writes, strong, confirmed }: Role, random: Random): Plan {
    const key = this.#pickKey(random);
    const dice = random.next();
    const op = dice < reads ? 'READ' : dice < reads + writes ? 'WRITE' : 'DELETE';
    // Drawn whether needed or not, so that what one operation is does not change all that follow.
    const ttlMs = Math.round(random.between(1000, TTL_MS_MAX));
    const [isShort, isConfirmed, isStrong] = [
      random.chance(0.15),
      random.chance(confirmed),
      random.chance(strong),
    ];
    return {
      ...{ op, key, strong: op === 'READ' && isStrong },
      ttlMs: op === 'WRITE' && isShort ? ttlMs : undefined,
      ack: op !== 'READ' && isConfirmed ? this.#options.ack : 0,
    };
  }
}

function bodyOf({ op, key, ttlMs, ack, strong }: Plan, value: string | undefined): string {
  return JSON.stringify({
    ...{ command: op, key, value },
    ...(ttlMs === undefined ? {} : { ttl: ttlMs / 1000 }),
    ...(ack === 0 ? {} : { ack }),
    ...(strong ? { consistency: 'strong' } : {}),
  });
}

/** What is late may still happen: its outcome is unknown. */
function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), 2000);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
