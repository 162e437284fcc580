/**
 * The description against the service: the same routes, and for each operation requests that are made from the description,
 * good ones and faulty ones, whose answers must be as it says. What it does not describe fails here, as does what it
 * describes and the service does not do.
 *
 * A failure prints its seed; OPENAPI_SEED=… runs the same requests again.
 */
import fc from 'fast-check';
import request from 'supertest';
import { SCOPES } from '../../src/core/grants';
import { DEPTH_MAX, type Limits } from '../../src/core/limits';
import { type Method, METHODS, type OpenApi, type Operation } from '../../src/doors/http/docs/open-api';
import { createOpenApi } from '../../src/doors/http/docs/create-open-api';
import { type HttpDoor, openHttpDoor } from '../support/http-door';
import { AnswerCheck } from '../support/openapi-answers';
import { type Answered, openOpenApiClient, type OpenApiClient } from '../support/openapi-client';
import { FaultMaker } from '../support/openapi-faults';
import { asked, type Draft, RequestMaker } from '../support/openapi-requests';
import { KEYS_IN_USE } from '../support/openapi-values';

const SEED = Number(process.env['OPENAPI_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Good ones and faulty ones each, so that an operation has a hundred and more. */
const RUNS = 60;
const OPERATION_MS = 30_000;

const AS_SET: Limits = {
  keyBytesMax: 1024,
  valueBytesMax: 64 * 1024,
  batchMax: 1000,
  depthMax: DEPTH_MAX,
  requestTimeoutMs: 2000,
};
const TINY: Limits = { ...AS_SET, keyBytesMax: 8, valueBytesMax: 32, batchMax: 3 };

interface Described {
  readonly name: string;
  readonly path: string;
  readonly method: Method;
  readonly operation: Operation;
}

/** What is described, the same for all limits but for these. */
function operationsOf({ paths }: OpenApi): readonly Described[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      return operation === undefined
        ? []
        : [{ name: `${method.toUpperCase()} ${path}`, path, method, operation }];
    }),
  );
}

/** What Express keeps of a route; `method` undefined: of `all`. */
interface RouteLayer {
  readonly route?: {
    readonly path: string;
    readonly stack: readonly { readonly method: string | undefined }[];
  };
}

/** A door, and what makes requests to it and judges its answers. */
class Rig implements AsyncDisposable {
  private constructor(
    readonly door: HttpDoor,
    readonly client: OpenApiClient,
    readonly document: OpenApi,
    readonly requests: RequestMaker,
    readonly faults: FaultMaker,
    readonly answers: AnswerCheck,
  ) {}

  static async open(limits: Limits): Promise<Rig> {
    const door = await openHttpDoor({ limits, encryptionConfigured: true });
    const { body } = await request(door.app).get('/openapi.json').expect(200);
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
    const client = await openOpenApiClient(door.app);
    return new Rig(door, client, document, requests, faults, new AnswerCheck(document));
  }

  /** Puts a text, other JSON and bytes under the keys that are asked for again and again. */
  async fill(): Promise<void> {
    const [text, json, bytes] = KEYS_IN_USE;
    await request(this.door.app)
      .post('/cache')
      .set('Authorization', `Bearer ${this.door.token}`)
      .send([
        { key: text, value: 'v' },
        { key: json, value: [1] },
        { key: bytes, value_base64: '/wA=' },
      ])
      .expect(200);
  }

  /** @throws Error that shows request and answer, unless it is one of the statuses and as described */
  async expectAnswer(
    draft: Draft,
    { operation, method }: Pick<Described, 'operation' | 'method'>,
    isDue: (answer: Answered) => boolean,
  ): Promise<void> {
    const sent = asked(draft);
    const answer = await this.client.send(sent);
    const faults = this.answers.faultsOf(operation, method, answer);
    if (!isDue(answer)) faults.unshift(`the status ${answer.status} is not due`);
    if (faults.length === 0) return;
    const shown = { ...sent, body: sent.body?.toString('latin1').slice(0, 500) };
    const got = { ...answer, body: answer.body.toString().slice(0, 500) };
    throw new Error([...faults, JSON.stringify(shown, null, 1), JSON.stringify(got, null, 1)].join('\n'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.door.close();
  }
}

/** Success, a miss, what its own condition makes of it, or that there are no replicas to wait for. */
function isGood(draft: Draft, { status }: Answered): boolean {
  const hasCondition = draft.headers.some(([name]) => /^if-(none-)?match$/i.test(name));
  const asksForReplicas =
    draft.query.some(([name, value]) => name === 'ack' && value !== '0') ||
    /"ack":[12]/.test(draft.body?.bytes.toString() ?? '');
  return (
    (status >= 200 && status < 300) ||
    status === 404 ||
    (hasCondition && (status === 304 || status === 412)) ||
    (asksForReplicas && status === 503)
  );
}

/** The operation as the document of this door has it. */
function ofDoor({ document }: Rig, { path, method }: Described): Described['operation'] {
  const operation = document.paths[path]?.[method];
  if (operation === undefined) throw new Error(`the door does not describe ${method} ${path}`);
  return operation;
}

const operations = operationsOf(createOpenApi(AS_SET));
/** Without a token and a body there is nothing that could be wrong. */
const fallible = operations.filter(
  ({ operation }) => operation.security.length > 0 || operation.requestBody !== undefined,
);
/** Where limits count. HEAD is GET's own code. */
const limited = fallible.filter(({ method, operation }) => method !== 'head' && '504' in operation.responses);

function expectGood(name: string, cases: readonly Described[], rigOf: () => Rig): void {
  it.each(cases)(
    `$name ${name}`,
    async (described) => {
      const rig = rigOf();
      const { path, method } = described;
      const operation = ofDoor(rig, described);
      const seen = new Set<number>();
      const property = fc.asyncProperty(rig.requests.good(path, method, operation), (draft) =>
        rig.expectAnswer(draft, { method, operation }, (answer) => {
          seen.add(answer.status);
          return isGood(draft, answer);
        }),
      );
      await rig.fill();
      await fc.assert(property, { seed: SEED, numRuns: RUNS });
      // Not all of them misses. Names of the console's files are not guessed.
      if (!path.includes('{file}')) expect([...seen]).toContain(200);
    },
    OPERATION_MS,
  );
}

function expectRefused(name: string, cases: readonly Described[], rigOf: () => Rig): void {
  it.each(cases)(
    `$name ${name}`,
    async (described) => {
      const rig = rigOf();
      const { path, method } = described;
      const operation = ofDoor(rig, described);
      const property = fc.asyncProperty(rig.faults.make(path, method, operation), ({ draft, statuses }) =>
        rig.expectAnswer(draft, { method, operation }, ({ status }) => statuses.includes(status)),
      );
      await fc.assert(property, { seed: SEED, numRuns: RUNS });
    },
    OPERATION_MS,
  );
}

describe('with the usual limits', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await Rig.open(AS_SET);
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  expectGood('answers every good request as described', operations, () => rig);
  expectRefused('refuses every faulty request as described', fallible, () => rig);

  it('the routes of the app are those that are described, and no others', () => {
    const { router } = rig.door.app as unknown as { router: { stack: readonly RouteLayer[] } };
    const served = router.stack.flatMap(({ route }) => {
      if (route === undefined) return [];
      const methods = route.stack.map(({ method }) => method).filter((method) => method !== undefined);
      // The files of the console are one entry.
      const path = route.path.replace(/:(\w+)/g, '{$1}').replace(/^\/console\/.+$/, '/console/{file}');
      // Express answers HEAD by GET's handler.
      return (methods.includes('get') ? [...methods, 'head'] : methods).map((method) => `${method} ${path}`);
    });
    const described = operations.map(({ path, method }) => `${method} ${path}`);
    expect([...new Set(served)].sort()).toEqual([...described].sort());
  });

  it.each(Object.keys(createOpenApi(AS_SET).paths))(
    '%s refuses the methods that are not described, and names those that are',
    async (path) => {
      const described = Object.keys(rig.document.paths[path] ?? {}).map((method) => method.toUpperCase());
      const target = path.replace('{key}', 'k').replace('{file}', 'console.css');
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
        if (described.includes(method)) continue;
        const answer = await rig.client.send({ method, target, headers: [], body: undefined });
        expect(answer.status).toBe(405);
        const refusal = rig.document.components.responses['method_not_allowed']!;
        expect(rig.answers.faultsOfResponse(refusal, method.toLowerCase(), answer)).toEqual([]);
        expect(String(answer.headers['allow']).split(', ').sort()).toEqual([...described].sort());
      }
    },
  );

  it('a path that is not described is not found', async () => {
    const refusal = rig.document.components.responses['not_found']!;
    const segment = fc.string().map((text) => encodeURIComponent(`${text}!`));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('GET', 'POST', 'DELETE'), segment, async (method, name) => {
        const sent = { method, target: `/${name}`, headers: [], body: undefined };
        const answer = await rig.client.send(sent);
        expect(answer.status).toBe(404);
        expect(rig.answers.faultsOfResponse(refusal, method, answer)).toEqual([]);
      }),
      { seed: SEED, numRuns: 50 },
    );
  });

  it('a body over the limit is refused as described', async () => {
    for (const described of operations.filter(({ operation }) => operation.requestBody !== undefined)) {
      const { path, method } = described;
      const bytes = Buffer.alloc(2 * AS_SET.valueBytesMax + 2 * 1024 * 1024, ' ');
      const draft: Draft = {
        path,
        method,
        inPath: { key: 'k' },
        query: [],
        headers: [],
        token: rig.door.token,
        body: { type: 'application/json', bytes, value: undefined },
      };
      const operation = ofDoor(rig, described);
      await rig.expectAnswer(draft, { method, operation }, ({ status }) => status === 413);
    }
  });

  it('wrong API keys are answered as described, and so is the wait that follows', async () => {
    await using guessed = await Rig.open(AS_SET);
    const described = operations.find(({ path }) => path === '/login')!;
    const seen = new Set<number>();
    const wrong = fc.string({ minLength: 1 });
    const property = fc.asyncProperty(wrong, async (apiKey) => {
      const draft: Draft = {
        ...{ path: '/login', method: 'post', inPath: {}, query: [], headers: [], token: undefined },
        body: {
          type: 'application/json',
          bytes: Buffer.from(JSON.stringify({ api_key: apiKey })),
          value: undefined,
        },
      };
      await guessed.expectAnswer(draft, described, ({ status }) => {
        seen.add(status);
        return status === 401 || status === 429;
      });
    });
    await fc.assert(property, { seed: SEED, numRuns: 20 });
    expect([...seen].sort()).toEqual([401, 429]);
  });
});

describe('with tiny limits', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await Rig.open(TINY);
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  expectGood('answers every good request as described', limited, () => rig);
  expectRefused('refuses every faulty request as described', limited, () => rig);

  it('the description tells the limits of its own door', () => {
    const { Key, Base64Value, Value } = rig.document.components.schemas;
    expect(Key).toMatchObject({ maxLength: 8, description: expect.stringContaining('8 bytes') as unknown });
    expect(Base64Value).toMatchObject({ maxLength: 44 });
    expect(Value?.description).toContain('32 bytes');
  });
});

describe('with an engine that is down', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await Rig.open(AS_SET);
    await rig.door.engine.close();
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  it.each(operations)(
    '$name says so, or needs no engine',
    async (described) => {
      const { path, method } = described;
      const operation = ofDoor(rig, described);
      const needsEngine = path === '/readyz' || '504' in operation.responses;
      const property = fc.asyncProperty(rig.requests.good(path, method, operation), async (draft) => {
        const isBatch = Array.isArray(draft.body?.value);
        const isConsole = path === '/' && !draft.query.some(([name]) => name === 'key');
        await rig.expectAnswer(draft, { method, operation }, (answer) =>
          needsEngine && !isBatch && !isConsole ? answer.status === 503 : isGood(draft, answer),
        );
      });
      await fc.assert(property, { seed: SEED, numRuns: 20 });
    },
    OPERATION_MS,
  );
});
