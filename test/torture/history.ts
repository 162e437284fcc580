/**
 * What happened in a run under faults: every operation with its times and answer, marks of what was broken meanwhile,
 * the reads made after quiet, and where it is known the order in which the master applied the writes.
 *
 * A history is all that the checker sees, and it goes to a file and back without loss (one JSON object per line), so
 * a violation found once can be looked at and checked again later.
 *
 * All times are milliseconds of one monotonic clock, that of the process which records.
 */

export type Op = 'READ' | 'WRITE' | 'DELETE';

/**
 * - `ok`: done, or a value was read. `not_found`: a READ saw nothing, a DELETE found nothing to delete.
 * - `failed`: certainly not done. `conflict`: refused for the sake of the session or a condition; not done either.
 * - `unknown`: may have taken effect, may do so at any later time, or never.
 */
export type Outcome = (typeof OUTCOMES)[number];

const OPS = ['READ', 'WRITE', 'DELETE'] as const;
const OUTCOMES = ['ok', 'not_found', 'failed', 'unknown', 'conflict'] as const;
const CONSISTENCIES = ['eventual', 'session', 'strong'] as const;
const SOURCES = ['near', 'replica', 'master'] as const;
const MARK_KINDS = [
  'fault-begin',
  'fault-end',
  'failover-begin',
  'failover-end',
  'refusing-begin',
  'refusing-end',
  'killed',
  'stopped',
] as const;

/**
 * The gateway's name of operations made straight on the master, past every gateway. Such changes are ordinary WRITEs
 * and DELETEs here; a FLUSHALL, or a shard that comes back empty, is an `ok` DELETE of each of its keys.
 */
export const FOREIGN = 'redis';

export interface Operation {
  /** The client that did it. */
  readonly process: string;
  /** Set where the operation carried a session token, and the same for all that carried tokens renewed from it. */
  readonly session?: string | undefined;
  /** A gateway process: one that was restarted has a new name, for it has promised nothing yet. */
  readonly gateway: string;
  readonly key: string;
  readonly op: Op;
  /** Written or read; undefined: absent. No two WRITEs of a history share one (`valueOf`). */
  readonly value?: string | undefined;
  /** Of a WRITE. */
  readonly ttlMs?: number | undefined;
  readonly consistency: (typeof CONSISTENCIES)[number];
  /** Replicas that had to have the change before it was acked. */
  readonly ack: number;
  /** Where a READ was answered from, if the answer said so. */
  readonly source?: (typeof SOURCES)[number] | undefined;
  readonly callMs: number;
  /** When the answer came, and so the latest moment of the effect. `Infinity` where the outcome is unknown. */
  readonly returnMs: number;
  /** Of an unknown outcome: when the caller was told so, or gave up. Absent: never. */
  readonly answeredMs?: number | undefined;
  readonly outcome: Outcome;
  /** The error's code. */
  readonly code?: string | undefined;
}

/**
 * Something the rig did or saw. A fault's name finds its limit; a failover's name is its shard; who was killed or stopped
 * is a gateway process, and the mark stands before the signal.
 */
export interface Mark {
  readonly kind: (typeof MARK_KINDS)[number];
  readonly name: string;
  readonly atMs: number;
}

/** A read made after quiet. With the gateway `FOREIGN` it is what the master itself holds. */
export interface FinalRead {
  readonly gateway: string;
  readonly key: string;
  readonly value?: string | undefined;
  /** When it was called. Absent: when everything that can expire had expired. */
  readonly atMs?: number | undefined;
  /** Life that was left then, where that was asked. */
  readonly remainingMs?: number | undefined;
}

/** One SET in the master's stream of commands. */
export interface AppliedWrite {
  readonly key: string;
  readonly value: string;
}

export interface History {
  readonly operations: readonly Operation[];
  readonly marks: readonly Mark[];
  readonly sweep: readonly FinalRead[];
  /** In the order of the master; empty where that was not watched. */
  readonly applied: readonly AppliedWrite[];
}

/** What is known of an operation when it is called. The recorder adds the time, and the value of a WRITE. */
export type Call = Pick<Operation, 'process' | 'session' | 'gateway' | 'key' | 'op' | 'ttlMs'> &
  Partial<Pick<Operation, 'consistency' | 'ack'>>;

/** What is known when it has been answered; `value` and `source` are a READ's. */
export type Answer = Pick<Operation, 'outcome' | 'value' | 'source' | 'code'>;

export interface PendingOperation {
  /** What to write; undefined unless it is a WRITE. */
  readonly value: string | undefined;
  /** Call it once, in the turn in which the answer came. */
  end(answer: Answer): void;
}

/** Some 500 MB of operations; a run that makes more should check more often. */
const OPERATIONS_MAX = 2_000_000;

/** The value of a process's nth WRITE: it says itself which one made it. `process` must be free of `|`. */
export function valueOf(key: string, process: string, n: number): string {
  return `${key}|${process}|${n}`;
}

/** Reads `valueOf` backwards; undefined for a value that no recorder made. */
export function writerOf(value: string): { key: string; process: string; n: number } | undefined {
  const match = /^([^]*)\|([^|]*)\|(\d+)$/.exec(value);
  if (match === null) return undefined;
  return { key: match[1]!, process: match[2]!, n: Number(match[3]) };
}

/** When the caller was let go: the answer, or word that the outcome is unknown. `Infinity`: left hanging. */
export function answeredMs(operation: Operation): number {
  return operation.outcome === 'unknown' ? (operation.answeredMs ?? Infinity) : operation.returnMs;
}

/** Collects a history. What is called but not ended stands in it as an unknown outcome that was never answered. */
export class Recorder {
  readonly #nowMs: () => number;
  readonly #operations: Operation[] = [];
  readonly #marks: Mark[] = [];
  readonly #writes = new Map<string, number>();

  /** @param nowMs a monotonic clock. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Notes a call, before it is made. @throws RangeError over `OPERATIONS_MAX` operations. */
  begin(call: Call): PendingOperation {
    if (this.#operations.length >= OPERATIONS_MAX) throw new RangeError(`over ${OPERATIONS_MAX} operations`);
    const value = call.op === 'WRITE' ? this.#nextValue(call) : undefined;
    const index = this.#operations.length;
    const begun: Operation = {
      ...{ ack: 0, consistency: 'eventual', ...call },
      ...{ value, callMs: this.#nowMs(), returnMs: Infinity, outcome: 'unknown' },
    };
    this.#operations.push(begun);
    return {
      value,
      end: ({ outcome, value: read, source, code }) => {
        const endMs = this.#nowMs();
        this.#operations[index] = {
          ...begun,
          ...(call.op === 'READ' && { value: read, source }),
          ...{ outcome, code },
          ...(outcome === 'unknown' ? { answeredMs: endMs } : { returnMs: endMs }),
        };
      },
    };
  }

  mark(kind: Mark['kind'], name: string, atMs = this.#nowMs()): void {
    this.#marks.push({ kind, name, atMs });
  }

  /** Everything so far. `sweep` and `applied` are what the rig has learnt after quiet. */
  history(sweep: readonly FinalRead[] = [], applied: readonly AppliedWrite[] = []): History {
    return { operations: [...this.#operations], marks: [...this.#marks], sweep, applied };
  }

  #nextValue({ key, process }: Call): string {
    if (process.includes('|')) throw new Error(`a process's name must be free of "|": ${process}`);
    const n = (this.#writes.get(process) ?? 0) + 1;
    this.#writes.set(process, n);
    return valueOf(key, process, n);
  }
}

/** One JSON object per line, each named by its kind. `Infinity` becomes null. */
export function historyText({ operations, marks, sweep, applied }: History): string {
  const lines = [
    ...marks.map((mark) => JSON.stringify({ mark })),
    ...operations.map((operation) => JSON.stringify({ operation })),
    ...sweep.map((final) => JSON.stringify({ final })),
    ...applied.map((write) => JSON.stringify({ applied: write })),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** Reads `historyText` backwards. @throws Error with the number of the line that is none of a history. */
export function parseHistory(text: string): History {
  const operations: Operation[] = [];
  const marks: Mark[] = [];
  const sweep: FinalRead[] = [];
  const applied: AppliedWrite[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    try {
      const parsed = fieldsOf(JSON.parse(line));
      if ('mark' in parsed) marks.push(parseMark(fieldsOf(parsed['mark'])));
      else if ('operation' in parsed) operations.push(parseOperation(fieldsOf(parsed['operation'])));
      else if ('final' in parsed) sweep.push(parseFinalRead(fieldsOf(parsed['final'])));
      else if ('applied' in parsed) applied.push(parseAppliedWrite(fieldsOf(parsed['applied'])));
      else throw new Error('neither mark, operation, final nor applied');
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`line ${index + 1} of the history: ${reason}`, { cause });
    }
  }
  return { operations, marks, sweep, applied };
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(parsed: unknown): Fields {
  if (typeof parsed !== 'object' || parsed === null) throw new Error('not an object');
  return parsed as Fields;
}

function parseOperation(fields: Fields): Operation {
  return {
    process: text(fields, 'process'),
    session: optionalText(fields, 'session'),
    gateway: text(fields, 'gateway'),
    key: text(fields, 'key'),
    op: oneOf(fields, 'op', OPS),
    value: optionalText(fields, 'value'),
    ttlMs: optionalNumber(fields, 'ttlMs'),
    consistency: oneOf(fields, 'consistency', CONSISTENCIES),
    ack: number(fields, 'ack'),
    source: fields['source'] === undefined ? undefined : oneOf(fields, 'source', SOURCES),
    callMs: number(fields, 'callMs'),
    returnMs: fields['returnMs'] === null ? Infinity : number(fields, 'returnMs'),
    answeredMs: optionalNumber(fields, 'answeredMs'),
    outcome: oneOf(fields, 'outcome', OUTCOMES),
    code: optionalText(fields, 'code'),
  };
}

function parseMark(fields: Fields): Mark {
  return {
    kind: oneOf(fields, 'kind', MARK_KINDS),
    name: text(fields, 'name'),
    atMs: number(fields, 'atMs'),
  };
}

function parseFinalRead(fields: Fields): FinalRead {
  return {
    gateway: text(fields, 'gateway'),
    key: text(fields, 'key'),
    value: optionalText(fields, 'value'),
    atMs: optionalNumber(fields, 'atMs'),
    remainingMs: optionalNumber(fields, 'remainingMs'),
  };
}

function parseAppliedWrite(fields: Fields): AppliedWrite {
  return { key: text(fields, 'key'), value: text(fields, 'value') };
}

function text(fields: Fields, name: string): string {
  const field = fields[name];
  if (typeof field !== 'string') throw new Error(`${name} is not a string`);
  return field;
}

function optionalText(fields: Fields, name: string): string | undefined {
  return fields[name] === undefined ? undefined : text(fields, name);
}

function number(fields: Fields, name: string): number {
  const field = fields[name];
  if (typeof field !== 'number') throw new Error(`${name} is not a number`);
  return field;
}

/** Where it may be absent, the null that `Infinity` becomes means the same. */
function optionalNumber(fields: Fields, name: string): number | undefined {
  return (fields[name] ?? undefined) === undefined ? undefined : number(fields, name);
}

function oneOf<const Word extends string>(fields: Fields, name: string, words: readonly Word[]): Word {
  const field = text(fields, name);
  const word = words.find((each) => each === field);
  if (word === undefined) throw new Error(`${name} is none of ${words.join(', ')}`);
  return word;
}
