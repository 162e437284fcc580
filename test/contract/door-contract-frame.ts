/** What the parts of the door contract share: the ground under the doors, a service on it, and clients of its forms. */
import type { Key } from '../../src/core/command';
import { keyFromText } from '../../src/core/key';
import type { Answer, DoorClient, DoorForm, Lack } from '../support/door-client';
import type { HttpDoor } from '../support/http-door';
import { eventually } from '../support/eventually';
import type { HttpDoorOptions } from '../support/http-door';

/** What the doors stand on. */
export interface DoorGround {
  readonly name: string;
  /** A service over the one store; where the store is in the process, each service has its own. */
  open(options?: HttpDoorOptions): Promise<HttpDoor>;
  /** What is stored under a key, past all doors; undefined: nothing. */
  stored(service: HttpDoor, key: Key): Promise<Buffer | undefined>;
  /** Stores bytes past all doors; when it resolves, whoever asks finds them. */
  store(service: HttpDoor, key: Key, bytes: Buffer): Promise<void>;
  /** The servers of a part of the store; undefined: it has none that could be away. */
  readonly servers: DoorServers | undefined;
}

export interface DoorServers {
  /** Whether they have the key. */
  hold(service: HttpDoor, key: Key): Promise<boolean>;
  /** Whether they are all there are. */
  readonly areAll: boolean;
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Until `resumeReplication`, replicas hear nothing of what is written. */
  pauseReplication(): void;
  resumeReplication(): Promise<void>;
}

/** What `openHttpDoor` sets. */
export const KEY_BYTES_MAX = 1024;
export const VALUE_BYTES_MAX = 64 * 1024;
export const REQUEST_TIMEOUT_MS = 2000;

export const START_MS = 30_000;

/** A form with all methods. */
export type WholeClient = { readonly [Method in keyof DoorClient]: NonNullable<DoorClient[Method]> };

type Substitutable = 'put' | 'remove';

/** To ask a form what it has, before there is a service. */
const NOWHERE = { port: 0, agent: undefined as never };

export class DoorFrame {
  #service: HttpDoor | undefined;
  #keys = 0;

  constructor(
    readonly ground: DoorGround,
    readonly forms: readonly DoorForm[],
  ) {}

  /** That most tests ask; open from `open` to `close`. */
  get service(): HttpDoor {
    if (this.#service === undefined) throw new Error('there is no service yet');
    return this.#service;
  }

  async open(): Promise<void> {
    this.#service = await this.ground.open();
    await this.untilNear(this.#service);
  }

  async close(): Promise<void> {
    await this.#service?.close();
  }

  /** A key that nobody has used. */
  freshKey(prefix = ''): string {
    this.#keys += 1;
    return `${prefix}${this.ground.name} ${this.#keys}`;
  }

  /** A fresh key on the servers, or on none of them. */
  async freshKeyOn(servers: DoorServers, isHeld = true): Promise<string> {
    for (;;) {
      const key = this.freshKey();
      if ((await servers.hold(this.service, keyFromText(key))) === isHeld) return key;
    }
  }

  /** With all rights. */
  connect(form: DoorForm, to = this.service): WholeClient {
    return this.connectAs(form, to.token, to);
  }

  /** With another form's methods in place of those that the form lacks. `token` undefined: without one. */
  connectAs(form: DoorForm, token: string | undefined, to = this.service): WholeClient {
    const own = form.connect(to, token);
    const put = own.put ?? this.#substitute(form, 'put').connect(to, token).put;
    const remove = own.remove ?? this.#substitute(form, 'remove').connect(to, token).remove;
    if (put === undefined || remove === undefined) throw new Error('a substitute lacks what it is there for');
    return { get: own.get, put, remove };
  }

  /** The first form that tells where a value was. */
  connectTelling(to = this.service): WholeClient {
    const telling = this.forms.find(({ lacks }) => !lacks.includes('source'));
    if (telling === undefined) throw new Error('no form tells where a value was');
    return this.connect(telling, to);
  }

  /** One block for each form, which names what stands in for it. */
  describeForms(define: (form: DoorForm, lacks: (what: Lack) => boolean) => void): void {
    const named = this.forms.map((form) => [this.#nameOf(form), form] as const);
    describe.each(named)('%s', (_name, form) => define(form, (what) => form.lacks.includes(what)));
  }

  /** Until the near cache is filled: over Redis it takes a moment before a node's announcements count. */
  async untilNear(service: HttpDoor): Promise<void> {
    const door = this.connectTelling(service);
    const key = this.freshKey('near ');
    await door.put(key, text('v'));
    await eventually(async () => isNear(await door.get(key)));
  }

  #substitute(form: DoorForm, method: Substitutable): DoorForm {
    const substitute = this.forms.find((other) => other !== form && has(other, method));
    if (substitute === undefined) throw new Error(`no form can ${method}`);
    return substitute;
  }

  #nameOf(form: DoorForm): string {
    const lacking = (['put', 'remove'] as const).filter((method) => !has(form, method));
    if (lacking.length === 0) return form.name;
    const substitutes = new Set(lacking.map((method) => this.#substitute(form, method).name));
    return `${form.name} (${lacking.join(' and ')} through ${[...substitutes].join(', ')})`;
  }
}

/** Whether the form has the method itself. */
export function has(form: DoorForm, method: Substitutable): boolean {
  return form.connect(NOWHERE, undefined)[method] !== undefined;
}

export function text(value: string): Buffer {
  return Buffer.from(value);
}

export function isNear(answer: Answer): boolean {
  return answer.outcome === 'found' && answer.isNear === true;
}

/** That these bytes were found. Jest compares long buffers byte by byte, and slowly. */
export function expectBytes(answer: Answer, bytes: Buffer): void {
  const value = answer.outcome === 'found' ? answer.value : undefined;
  expect(Buffer.isBuffer(value) ? value.toString('latin1') : answer).toBe(bytes.toString('latin1'));
}

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

export const TEXTS: readonly string[] = [
  ...['', ' ', 'é😀', '\r\n$-1\r\n', '\0', 'null', '1.0', '"quoted"', '{"value":1}', 'a => b', '<b>&amp;'],
];

export const BYTES: readonly (readonly [string, Buffer])[] = [
  ['every byte', EVERY_BYTE],
  ['invalid UTF-8', Buffer.of(0xc3, 0x28, 0xff, 0xfe)],
  ['what looks like an envelope', Buffer.of(0xfe, 0x72, 0x63, 1, 0, 0x61)],
  ['64 KiB', Buffer.alloc(VALUE_BYTES_MAX, EVERY_BYTE)],
];

export const JSON_VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1.5, 1e21, [], {}, [1, 'a', null], { a: { b: ['c'] } }],
];
