/**
 * The description against the service: the same routes, and for each operation the requests that it shows, requests
 * that are made from it, good ones and faulty ones, and a core that is made to fail. Each answer must be as
 * described, by the published schemas and by the same ones with no room for fields that they do not name. In the end
 * each status and each header that is described must have been seen, but for those that are listed with the reason.
 *
 * A failure prints its seed; OPENAPI_SEED=… runs the same requests again.
 */
import fc from 'fast-check';
import type { CacheService } from '../../src/core/cache';
import type { Command, Reply } from '../../src/core/command';
import { CacheError, type ErrorCode } from '../../src/core/errors';
import { DEPTH_MAX, type Limits } from '../../src/core/limits';
import { createOpenApi } from '../../src/doors/http/docs/create-open-api';
import { type Operation, resolved } from '../../src/doors/http/docs/open-api';
import { HTTP_STATUS } from '../../src/doors/http/respond';
import { aroundCache } from '../support/around-cache';
import type { Answered } from '../support/openapi-client';
import type { Draft } from '../support/openapi-requests';
import { type Described, OpenApiRig, operationsOf, Sightings } from '../support/openapi-rig';
import { KEYS_IN_USE } from '../support/openapi-values';

const SEED = Number(process.env['OPENAPI_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Good ones and faulty ones each, so that an operation has a hundred and more. */
const RUNS = 60;
/** Of each kind of fault, at least. */
const RUNS_OF_FAULT = 4;
const OPERATION_MS = 30_000;

const AS_SET: Limits = {
  keyBytesMax: 1024,
  valueBytesMax: 64 * 1024,
  batchMax: 1000,
  depthMax: DEPTH_MAX,
  requestTimeoutMs: 2000,
};
const TINY: Limits = { ...AS_SET, keyBytesMax: 8, valueBytesMax: 32, batchMax: 3 };

/** What Express keeps of a route; `method` undefined: of `all`. */
interface RouteLayer {
  readonly route?: {
    readonly path: string;
    readonly stack: readonly { readonly method: string | undefined }[];
  };
}

const sightings = new Sightings();

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

const asSet = createOpenApi(AS_SET);
const operations = operationsOf(asSet);
/** Without a token, a condition and a body there is nothing that could be wrong. */
const fallible = operations.filter(
  ({ operation }) =>
    operation.security.length > 0 || operation.requestBody !== undefined || has(operation, 'If-None-Match'),
);
/** Where limits count. HEAD is GET's own code. */
const limited = fallible.filter(({ method, operation }) => method !== 'head' && '504' in operation.responses);

/** The request for that key; one that names none stays as it is. */
function withKey(draft: Draft, key: string): Draft {
  const text = encodeURIComponent(key);
  return {
    ...draft,
    inPath: 'key' in draft.inPath ? { ...draft.inPath, key: text } : draft.inPath,
    query: draft.query.map(([name, value]) => [name, name === 'key' ? text : value]),
  };
}

/** Whether it has such a parameter. */
function has({ parameters = [] }: Operation, name: string): boolean {
  return parameters.some((parameter) => parameter.name === name);
}

/** The codes that the failures of an operation may have. */
function codesOf({ operation }: Described): readonly string[] {
  return Object.values(operation.responses).flatMap((response) => {
    const { schema } = resolved(asSet, response).content?.['application/json'] ?? {};
    const { const: only, enum: several = [only] } = schema?.properties?.['code'] ?? {};
    return several.filter((code) => code !== undefined).map(String);
  });
}

function expectGood(name: string, cases: readonly Described[], rigOf: () => OpenApiRig): void {
  it.each(cases)(
    `$name ${name}`,
    async (described) => {
      const rig = rigOf();
      const { path, method } = described;
      const seen = new Set<number>();
      const property = fc.asyncProperty(
        rig.requests.good(path, method, rig.operation(described)),
        async (draft) => {
          const { status } = await rig.expectAnswer(draft, described, (answer) => isGood(draft, answer));
          seen.add(status);
        },
      );
      await rig.fill();
      await fc.assert(property, { seed: SEED, numRuns: RUNS });
      // Not all of them misses.
      expect([...seen]).toContain(200);
    },
    OPERATION_MS,
  );
}

function expectRefused(name: string, cases: readonly Described[], rigOf: () => OpenApiRig): void {
  it.each(cases)(
    `$name ${name}`,
    async (described) => {
      const rig = rigOf();
      const { path, method } = described;
      const operation = rig.operation(described);
      // Where a session is left out at random, there are seeds that leave it out of all that is refused alike.
      const kinds = [operation, rig.requests.inSession(operation)].flatMap((each) =>
        each === undefined ? [] : rig.faults.make(path, method, each),
      );
      const numRuns = Math.max(RUNS_OF_FAULT, Math.ceil(RUNS / kinds.length));
      for (const kind of kinds) {
        const property = fc.asyncProperty(kind, async ({ draft, statuses }) => {
          await rig.expectAnswer(draft, described, ({ status }) => statuses.includes(status));
        });
        await fc.assert(property, { seed: SEED, numRuns });
      }
    },
    OPERATION_MS,
  );
}

describe('with the usual limits', () => {
  let rig: OpenApiRig;
  beforeAll(async () => {
    rig = await OpenApiRig.open(AS_SET, sightings);
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  expectGood('answers every good request as described', operations, () => rig);
  expectRefused('refuses every faulty request as described', fallible, () => rig);

  it.each(operations)('$name answers the requests that the description shows', async (described) => {
    const { path, method } = described;
    await rig.fill();
    for (const draft of rig.requests.examples(path, method, rig.operation(described))) {
      await rig.expectAnswer(
        draft,
        described,
        ({ status }) => (status >= 200 && status < 300) || status === 404,
      );
    }
  });

  it.each(operations.filter(({ operation }) => has(operation, 'key')))(
    '$name of a key without a value is answered as described',
    async (described) => {
      const { path, method } = described;
      const due = path === '/ring/{key}' ? 200 : method === 'put' ? 201 : 404;
      for (const draft of rig.requests.examples(path, method, rig.operation(described))) {
        const key = `absent ${method} ${String(draft.body?.type)}`;
        await rig.expectAnswer(withKey(draft, key), described, ({ status }) => status === due);
      }
    },
  );

  it.each(
    operations.flatMap((described) => {
      const { operation, method } = described;
      const cases: [header: string, tags: string, due: number][] = [];
      if ('304' in operation.responses) cases.push(['If-None-Match', '*', 304]);
      if (method === 'put') cases.push(['If-None-Match', '*', 412]);
      if ('412' in operation.responses) cases.push(['If-Match', '"x"', 412]);
      return cases.map(([header, tags, due]) => ({ ...described, header, tags, due }));
    }),
  )('$name with $header: $tags is answered $due', async ({ header, tags, due, ...described }) => {
    const { path, method } = described;
    await rig.fill();
    for (const example of rig.requests.examples(path, method, rig.operation(described))) {
      // The console is where there is no key.
      const draft = path === '/' ? { ...example, query: [] } : withKey(example, KEYS_IN_USE[0]);
      const conditional = { ...draft, headers: [...draft.headers, [header, tags] as const] };
      await rig.expectAnswer(conditional, described, ({ status }) => status === due);
    }
  });

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

  it.each(Object.keys(asSet.paths))(
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
      await rig.expectAnswer(draft, described, ({ status }) => status === 413);
    }
  });

  it('wrong API keys are answered as described, and so is the wait that follows', async () => {
    await using guessed = await OpenApiRig.open(AS_SET, sightings);
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
      const { status } = await guessed.expectAnswer(draft, described, (answer) =>
        [401, 429].includes(answer.status),
      );
      seen.add(status);
    });
    await fc.assert(property, { seed: SEED, numRuns: 20 });
    expect([...seen].sort()).toEqual([401, 429]);
  });
});

describe('with tiny limits', () => {
  let rig: OpenApiRig;
  beforeAll(async () => {
    rig = await OpenApiRig.open(TINY, sightings);
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
  let rig: OpenApiRig;
  beforeAll(async () => {
    rig = await OpenApiRig.open(AS_SET, sightings);
    await rig.door.engine.close();
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  it.each(operations)(
    '$name says so, or needs no engine',
    async (described) => {
      const { path, method } = described;
      const operation = rig.operation(described);
      const needsEngine = ['/readyz', '/snapshot'].includes(path) || '504' in operation.responses;
      const property = fc.asyncProperty(rig.requests.good(path, method, operation), async (draft) => {
        const isBatch = Array.isArray(draft.body?.value);
        const isConsole = path === '/' && !draft.query.some(([name]) => name === 'key');
        await rig.expectAnswer(draft, described, (answer) =>
          needsEngine && !isBatch && !isConsole ? answer.status === 503 : isGood(draft, answer),
        );
      });
      await fc.assert(property, { seed: SEED, numRuns: 20 });
    },
    OPERATION_MS,
  );
});

const OF_ALL: readonly ErrorCode[] = ['forbidden', 'internal', 'unavailable', 'timeout'];
const OF_READ: readonly ErrorCode[] = [...OF_ALL, 'conflict', 'corrupt_value'];
const OF_WRITE: readonly ErrorCode[] = [...OF_ALL, 'out_of_memory'];

/** What the core can fail with, by operation. HEAD is as GET, and what is not here asks the core for nothing. */
const CODES_OF_CORE: Readonly<Record<string, readonly ErrorCode[]>> = {
  'POST /cache': [...OF_READ, 'out_of_memory'],
  'GET /cache/{key}': OF_READ,
  // A condition is judged on what is stored. DELETE takes no memory, full as Redis may be.
  'PUT /cache/{key}': [...OF_WRITE, 'corrupt_value'],
  'DELETE /cache/{key}': [...OF_ALL, 'corrupt_value'],
  'GET /': OF_READ,
  'POST /set': OF_WRITE,
  'GET /getval/{key}': OF_READ,
  'POST /v1/cache/set': OF_WRITE,
  'GET /v1/cache/get/{key}': OF_READ,
  // It does not look at the value.
  'GET /ring/{key}': OF_ALL,
  'GET /readyz': ['internal'],
  'GET /status': ['internal'],
  'GET /ring': ['internal'],
  'POST /snapshot': ['internal', 'conflict'],
};

function codesOfCore({ name }: Described): readonly ErrorCode[] {
  return CODES_OF_CORE[name.replace('HEAD', 'GET')] ?? [];
}

describe('with a core that fails', () => {
  let rig: OpenApiRig;
  let code: ErrorCode = 'internal';
  const broken = (): CacheError => new CacheError(code, 'made to fail', { cause: new Error('by the test') });
  const failed = ({ command }: Command): Reply => ({ command, status: 'ERROR', error: broken() });
  const refuse = (): never => {
    throw broken();
  };
  const around = (cache: CacheService): CacheService =>
    aroundCache(cache, {
      execute: (_principal, command) => Promise.resolve(failed(command)),
      executeBatch: (_principal, commands) => Promise.resolve(commands.map(failed)),
      locate: () => Promise.reject(broken()),
      placement: refuse,
      snapshot: () => Promise.reject(broken()),
      ready: refuse,
    });
  beforeAll(async () => {
    rig = await OpenApiRig.open(AS_SET, sightings, { around, report: refuse });
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  it.each(
    operations.flatMap((described) => codesOfCore(described).map((failure) => ({ ...described, failure }))),
  )('$name tells of $failure as described', async ({ failure, ...described }) => {
    code = failure;
    const { path, method } = described;
    for (const draft of rig.requests.examples(path, method, rig.operation(described))) {
      const isBatch = Array.isArray(draft.body?.value);
      const due = isBatch ? 200 : HTTP_STATUS[failure];
      const { body } = await rig.expectAnswer(draft, described, ({ status }) => status === due);
      if (method === 'head') continue;
      const told = [JSON.parse(body.toString())].flat() as { code: string }[];
      expect(new Set(told.map((reply) => reply.code))).toEqual(new Set([failure]));
    }
  });
});

it.each(operations)('$name describes no failure of the core that it cannot have', (described) => {
  const ofCoreOnly: readonly string[] = ['conflict', 'corrupt_value', 'timeout', 'out_of_memory'];
  const due = codesOfCore(described).filter((code) => ofCoreOnly.includes(code));
  const told = codesOf(described).filter((code) => ofCoreOnly.includes(code));
  expect(told.sort()).toEqual([...due].sort());
});

describe('with all places for requests taken', () => {
  let rig: OpenApiRig;
  beforeAll(async () => {
    rig = await OpenApiRig.open(AS_SET, sightings, { maxInFlight: 0 });
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  it.each(operations)('$name says so, or needs none', async (described) => {
    const { path, method } = described;
    const needsNone =
      ['/livez', '/readyz', '/metrics'].includes(path) || described.operation.tags[0] === 'Pages';
    const due = needsNone ? 200 : 503;
    for (const draft of rig.requests.examples(path, method, rig.operation(described))) {
      await rig.expectAnswer(draft, described, ({ status }) => status === due);
    }
  });
});

/** Statuses that are described and cannot be had here, and why. By path, for GET and HEAD alike. */
const NOT_TO_BE_HAD: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'the listener gives them before there is a route: test/integration/listener-*.test.ts': {
    '/livez': ['400', '413', '503'],
    '/readyz': ['400', '413'],
    '/status': ['400', '413'],
    '/ring': ['400', '413'],
    '/snapshot': ['400', '413'],
    '/metrics': ['400', '413', '503'],
    '/openapi.json': ['413', '503'],
    '/docs': ['413', '503'],
    '/docs/docs.css': ['413', '503'],
    '/console/{file}': ['413', '503'],
  },
  'a fault of ours, where nothing is known that could fail': {
    '/login': ['500'],
    '/livez': ['500'],
    '/metrics': ['500'],
    '/openapi.json': ['500'],
    '/docs': ['500'],
    '/docs/docs.css': ['500'],
    '/console/{file}': ['500'],
  },
};

describe('all of the above together', () => {
  it('has seen each status that is described, but for those that are listed', () => {
    const listed = Object.values(NOT_TO_BE_HAD).flatMap((byPath) =>
      Object.entries(byPath).flatMap(([path, statuses]) =>
        operations
          .filter((described) => described.path === path)
          .flatMap(({ name }) => statuses.map((status) => `${name} ${status}`)),
      ),
    );
    const unseen = [...sightings.unseenStatuses(operations)].sort();
    expect({ SEED, unseen }).toEqual({ SEED, unseen: listed.sort() });
  });

  it('has seen each header that is described', () => {
    expect({ SEED, unseen: sightings.unseenHeaders(asSet) }).toEqual({ SEED, unseen: [] });
  });
});
