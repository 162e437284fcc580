/**
 * Load on all gateways of a group: values with a long life, a short one and none, encrypted and not, DELETEs, READs of all
 * kinds, batches, sessions that wander, and races in which all gateways change one key at the same time. Every operation
 * is recorded.
 */
import { Door, type Heard } from '../door';
import type { GatewaySlot } from '../gateways';
import type { Call, Op, PendingOperation, Recorder } from '../history';
import { repeat } from '../pace';
import { createZipf, type Random } from '../random';

export interface GroupLoadOptions {
  readonly recorder: Recorder;
  readonly slots: readonly GatewaySlot[];
  readonly random: Random;
  readonly authorization: string;
  /** Stands in the name of each caller, and so in each value. */
  readonly name: string;
  /** Operations a second over all callers. */
  readonly rate: number;
}

interface Role {
  /** Of its operations; the others are DELETEs. */
  readonly reads: number;
  readonly writes: number;
  /** Of its READs, those that are `strong`. */
  readonly strong: number;
  /** Of its changes, those that another gateway must confirm. */
  readonly confirmed: number;
  /** It has a gateway of its own; else any will do. */
  readonly isFixed: boolean;
  readonly hasSession: boolean;
  /** The most that it asks at once. */
  readonly batch: number;
}

const WRITER: Role = {
  ...{ reads: 0.4, writes: 0.45, strong: 0, confirmed: 0 },
  ...{ isFixed: true, hasSession: false, batch: 1 },
};
const STRONG: Role = { ...WRITER, strong: 0.7, confirmed: 0.3 };
const WANDERER: Role = { ...WRITER, reads: 0.6, writes: 0.3, isFixed: false, hasSession: true };
const READER: Role = { ...WRITER, reads: 1, writes: 0, isFixed: false };
const BATCHER: Role = { ...WRITER, isFixed: false, batch: 12 };

const CALLERS: readonly Role[] = [
  ...[WRITER, WRITER, WRITER, STRONG, STRONG, STRONG],
  ...[WANDERER, WANDERER, WANDERER, READER, READER, BATCHER],
];
/** Of the pace of a caller. Each key is raced for a few times, then left as the race left it. */
const RACES = 0.5;
const RACES_PER_KEY = 3;

const KEYS: readonly string[] = [
  ...Array.from({ length: 60 }, (_, n) => `key-${n}`),
  ...['__proto__', 'constructor', 'a key', 'ключ'],
];
/** The longest of the short lives; the long ones outlast the run. */
export const SHORT_LIFE_MS_MAX = 3000;
const LONG_LIFE_MS = { min: 1_200_000, max: 3_600_000 };
/** Commands in one request. */
const BULK_BATCH = 500;

interface Caller {
  readonly n: number;
  readonly role: Role;
  readonly doors: readonly Door[];
  /** Of its session: a number for each that it began. */
  sessions: number;
  /** Empty: a session begins. */
  token: string;
}

interface Plan {
  readonly op: Op;
  readonly key: string;
  readonly ttlMs: number | undefined;
  readonly isEncrypted: boolean;
  readonly isStrong: boolean;
  readonly ack: 0 | 1;
}

export class GroupLoad {
  readonly #options: GroupLoadOptions;
  readonly #pickKey = createZipf(KEYS);
  readonly #work: Promise<void>[] = [];
  readonly #doors: Door[] = [];
  #races = 0;
  #stopped = false;

  constructor(options: GroupLoadOptions) {
    this.#options = options;
  }

  /** Writes that many keys, which nobody touches afterwards, through the first gateway. */
  async fill(keys: number): Promise<void> {
    const caller = this.#createCaller('bulk', BATCHER);
    for (let first = 0; first < keys; first += BULK_BATCH) {
      const plans = Array.from({ length: Math.min(BULK_BATCH, keys - first) }, (_, at) => ({
        ...({ op: 'WRITE', key: `bulk-${first + at}`, ttlMs: undefined } as const),
        ...{ isEncrypted: false, isStrong: false, ack: 0 as const },
      }));
      await this.#ask(caller, 'bulk', 0, plans);
    }
  }

  start(): void {
    const { random, rate } = this.#options;
    const intervalMs = (1000 * (CALLERS.length + RACES * this.#options.slots.length)) / rate;
    const isOver = (): boolean => this.#stopped;
    for (const [n, role] of CALLERS.entries()) {
      const caller = this.#createCaller(n, role);
      const [chance, pace] = [random.stream(`caller ${n}`), random.stream(`pace ${n}`)];
      const pauseMs = (intervalMs * (1 + role.batch)) / 2;
      this.#work.push(repeat(pauseMs, pace, isOver, () => this.#act(caller, chance)));
    }
    const racers = this.#options.slots.map(() => this.#createCaller(0, WRITER));
    const [chance, pace] = [random.stream('race'), random.stream('pace of the race')];
    this.#work.push(repeat(intervalMs / RACES, pace, isOver, () => this.#race(racers, chance)));
  }

  /** Resolves when the last operation has been answered or given up. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#work);
    for (const door of this.#doors) door.close();
  }

  #createCaller(n: number | 'bulk', role: Role): Caller {
    const doors = this.#options.slots.map((slot) => new Door(slot));
    this.#doors.push(...doors);
    return { n: n === 'bulk' ? CALLERS.length : n, role, doors, sessions: 1, token: '' };
  }

  /** One after the other, a gateway that is not there is passed by, as behind a load balancer. */
  async #act(caller: Caller, random: Random): Promise<void> {
    const { n, role } = caller;
    const { slots } = this.#options;
    const size = role.batch === 1 ? 1 : Math.floor(random.between(2, role.batch + 1));
    const plans = Array.from({ length: size }, () => this.#plan(role, this.#pickKey(random), random));
    const anywhere = Math.floor(random.next() * slots.length);
    const first = role.isFixed ? n % slots.length : anywhere;
    for (let step = 0; step < slots.length; step += 1) {
      const place = (first + step) % slots.length;
      if (!slots[place]!.isRunning) continue;
      const heard = await this.#ask(caller, `c${n}`, place, plans);
      if (heard[0]!.code !== 'refused') return;
    }
  }

  async #race(racers: readonly Caller[], random: Random): Promise<void> {
    const key = `race-${Math.floor(this.#races / RACES_PER_KEY)}`;
    this.#races += 1;
    const plans = racers.map(({ role }) => this.#plan({ ...role, reads: 0.3, writes: 0.5 }, key, random));
    await Promise.all(
      racers.map(async (racer, place) => {
        if (!this.#options.slots[place]!.isRunning) return;
        await this.#ask(racer, `race${place}`, place, [plans[place]!]);
      }),
    );
  }

  async #ask(caller: Caller, name: string, place: number, plans: readonly Plan[]): Promise<readonly Heard[]> {
    const { recorder, slots, authorization } = this.#options;
    const { role, n, sessions } = caller;
    const session = role.hasSession ? `s${n}.${sessions}` : undefined;
    const who = { process: `${name}.${this.#options.name}`, gateway: slots[place]!.name, session };
    const pending = plans.map((plan) => recorder.begin(callOf(plan, who)));
    const commands = plans.map((plan, at) => commandOf(plan, pending[at]!));
    const door = caller.doors[place]!;
    const heard =
      plans.length === 1
        ? [
            await door.ask({
              ...{ op: plans[0]!.op, body: JSON.stringify(commands[0]), authorization },
              session: session === undefined ? undefined : caller.token,
            }),
          ]
        : await door.askAll(
            plans.map(({ op }) => op),
            JSON.stringify(commands),
            authorization,
          );
    for (const [at, each] of heard.entries()) pending[at]!.end(each);
    this.#keepSession(caller, heard[0]!);
    return heard;
  }

  /** What a session had written is lost: it says so once, and another begins. */
  #keepSession(caller: Caller, { outcome, session }: Heard): void {
    if (outcome === 'conflict') caller.sessions += 1;
    caller.token = outcome === 'conflict' ? '' : (session ?? caller.token);
  }

  #plan({ reads, writes, strong, confirmed }: Role, key: string, random: Random): Plan {
    const dice = random.next();
    const op = dice < reads ? 'READ' : dice < reads + writes ? 'WRITE' : 'DELETE';
    // Drawn whether needed or not, so that what one operation is does not change all that follow.
    const life = random.next();
    const shortMs = Math.round(random.between(1000, SHORT_LIFE_MS_MAX));
    const longMs = Math.round(random.between(LONG_LIFE_MS.min, LONG_LIFE_MS.max));
    const [isStrong, isConfirmed, isEncrypted] = [
      random.chance(strong),
      random.chance(confirmed),
      random.chance(0.3),
    ];
    return {
      ...{ op, key, isEncrypted, isStrong: op === 'READ' && isStrong },
      ttlMs: op !== 'WRITE' || life > 0.4 ? undefined : life < 0.15 ? shortMs : longMs,
      ack: op !== 'READ' && isConfirmed ? 1 : 0,
    };
  }
}

function callOf(
  { op, key, ttlMs, isStrong, ack }: Plan,
  who: Pick<Call, 'process' | 'gateway' | 'session'>,
): Call {
  const consistency = isStrong ? 'strong' : who.session === undefined ? 'eventual' : 'session';
  return { op, key, ...(ttlMs === undefined ? {} : { ttlMs }), ack, consistency, ...who };
}

function commandOf(
  { op, key, ttlMs, isEncrypted, isStrong, ack }: Plan,
  { value }: PendingOperation,
): object {
  return {
    ...{ command: op, key, value },
    ...(ttlMs === undefined ? {} : { ttl: ttlMs / 1000 }),
    ...(op === 'WRITE' ? { encrypt: isEncrypted } : {}),
    ...(ack === 0 ? {} : { ack }),
    ...(isStrong ? { consistency: 'strong' } : {}),
  };
}
