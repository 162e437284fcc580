/**
 * A door, what makes requests to it from its own description, and what judges its answers and remembers what it saw.
 */
import { SCOPES } from '../../src/core/grants';
import type { Limits } from '../../src/core/limits';
import {
  type Method,
  METHODS,
  type OpenApi,
  type Operation,
  resolved,
} from '../../src/doors/http/docs/open-api';
import { type HttpDoor, type HttpDoorOptions, openHttpDoor, request } from './http-door';
import { AnswerCheck } from './openapi-answers';
import { type Answered, type Asked, openApiClient, type OpenApiClient } from './openapi-client';
import { FaultMaker } from './openapi-faults';
import { asked, type Draft, RequestMaker } from './openapi-requests';
import { KEYS_IN_USE } from './openapi-values';

export interface Described {
  /** Method and path. */
  readonly name: string;
  readonly path: string;
  readonly method: Method;
  readonly operation: Operation;
}

/** What is described, the same for all limits but for these. */
export function operationsOf({ paths }: OpenApi): readonly Described[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      return operation === undefined ? [] : [{ name: nameOf(path, method), path, method, operation }];
    }),
  );
}

/** The statuses of each operation's answers, by its name, with the headers that came under each. */
export class Sightings {
  readonly #headers = new Map<string, Set<string>>();

  add(name: string, { status, headers }: Answered): void {
    const place = `${name} ${status}`;
    const seen = this.#headers.get(place) ?? new Set();
    for (const header of Object.keys(headers)) seen.add(header);
    this.#headers.set(place, seen);
  }

  /** Statuses that are described and were not seen: `GET /cache/{key} 409`. */
  unseenStatuses(operations: readonly Described[]): readonly string[] {
    return operations
      .flatMap(({ name, operation }) => Object.keys(operation.responses).map((status) => `${name} ${status}`))
      .filter((place) => !this.#headers.has(place));
  }

  /** Headers that are described and came with none of the answers of that status: `POST /cache 200 Cache-Status`. */
  unseenHeaders(document: OpenApi): readonly string[] {
    return operationsOf(document).flatMap(({ name, operation }) =>
      Object.entries(operation.responses).flatMap(([status, response]) => {
        const seen = this.#headers.get(`${name} ${status}`);
        const described = Object.keys(resolved(document, response).headers ?? {});
        return described
          .filter((header) => seen !== undefined && !seen.has(header.toLowerCase()))
          .map((header) => `${name} ${status} ${header}`);
      }),
    );
  }
}

export class OpenApiRig implements AsyncDisposable {
  private constructor(
    readonly door: HttpDoor,
    readonly client: OpenApiClient,
    readonly document: OpenApi,
    readonly requests: RequestMaker,
    readonly faults: FaultMaker,
    readonly answers: AnswerCheck,
    readonly sightings: Sightings,
  ) {}

  static async open(
    limits: Limits,
    sightings: Sightings,
    options: HttpDoorOptions = {},
  ): Promise<OpenApiRig> {
    const door = await openHttpDoor({ limits, encryptionConfigured: true, ...options });
    const { body } = await request(door).get('/openapi.json').expect(200);
    const document = body as OpenApi;
    const without = new Map(
      SCOPES.map((scope) => [scope as string, door.tokenWith(SCOPES.filter((each) => each !== scope))]),
    );
    const tokens = {
      elsewhere: door.tokenWith(SCOPES, ['\0nowhere:']),
      without: (scope: string) => without.get(scope)!,
    };
    const requests = new RequestMaker(document, limits, door.token);
    const faults = new FaultMaker(requests, tokens);
    return new OpenApiRig(
      door,
      openApiClient(door),
      document,
      requests,
      faults,
      new AnswerCheck(document),
      sightings,
    );
  }

  /** The operation as the document of this door has it. */
  operation({ name, path, method }: Described): Operation {
    const operation = this.document.paths[path]?.[method];
    if (operation === undefined) throw new Error(`the door does not describe ${name}`);
    return operation;
  }

  /** Puts a text, other JSON and bytes under the keys that are asked for again and again. */
  async fill(): Promise<void> {
    const [text, json, bytes] = KEYS_IN_USE;
    await request(this.door)
      .post('/cache')
      .set('Authorization', `Bearer ${this.door.token}`)
      .send([
        { key: text, value: 'v' },
        { key: json, value: [1] },
        { key: bytes, value_base64: '/wA=' },
      ])
      .expect(200);
  }

  /** The answer. @throws Error that shows request and answer, unless it is due and as described */
  async expectAnswer(
    draft: Draft,
    described: Described,
    isDue: (answer: Answered) => boolean,
  ): Promise<Answered> {
    const { name, method } = described;
    const operation = this.operation(described);
    const sent = asked(draft);
    const answer = await this.client.send(sent);
    this.sightings.add(name, answer);
    const faults = this.answers.faultsOf(operation, method, answer);
    if (!isDue(answer)) faults.unshift(`the status ${answer.status} is not due`);
    if (givesSessionBack(draft, sent, operation) !== 'ringcache-session' in answer.headers) {
      if (answer.status !== 401) faults.unshift('the session is on one of request and answer only');
    }
    if (faults.length === 0) return answer;
    const shown = { ...sent, body: sent.body?.toString('latin1').slice(0, 500) };
    const got = { ...answer, body: answer.body.toString().slice(0, 500) };
    throw new Error([...faults, JSON.stringify(shown, null, 1), JSON.stringify(got, null, 1)].join('\n'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.door.close();
  }
}

/**
 * Whether an answer after an accepted token must have the session: the request has a good one, and gets to its route.
 */
function givesSessionBack({ path, query, headers }: Draft, { target }: Asked, operation: Operation): boolean {
  const sessions = headers.filter(([name]) => name === 'Ringcache-Session').map(([, value]) => value);
  const takesOne = (operation.parameters ?? []).some(({ name }) => name === 'Ringcache-Session');
  const isConsole = path === '/' && !query.some(([name]) => name === 'key');
  return takesOne && sessions.length === 1 && sessions[0] === '' && !isConsole && isDecodable(target);
}

function isDecodable(target: string): boolean {
  try {
    decodeURIComponent(target.split('?')[0] ?? '');
    return true;
  } catch {
    return false;
  }
}

function nameOf(path: string, method: string): string {
  return `${method.toUpperCase()} ${path}`;
}
