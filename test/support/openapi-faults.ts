/**
 * Requests made from the description of an operation with one fault each, for fast-check, with the statuses that this
 * fault may have.
 */
import fc from 'fast-check';
import type { Operation, Schema } from '../../src/doors/http/docs/open-api';
import type { Draft, RequestMaker } from './openapi-requests';

export interface Faulty {
  readonly fault: string;
  readonly draft: Draft;
  readonly statuses: readonly number[];
}

/** Good ones that are not good for everything. */
export interface Tokens {
  /** Of a client without the right that is named. */
  without(scope: string): string;
  /** Of a client that has all rights to keys with a prefix that none of ours has. */
  readonly elsewhere: string;
}

/** Values of headers that are bad although they are text. */
const BAD_HEADERS: Readonly<Record<string, readonly string[]>> = {
  'Ringcache-Session': ['x', 'A'.repeat(64), 'é'],
  'If-Match': ['x', '"x', '', ',', "'x'"],
  'If-None-Match': ['x', '"x', '', ',', "'x'"],
};

const BAD_JSON = [
  '',
  ' ',
  '{',
  '[1,',
  'nul',
  '{"key":}',
  "{'key':'k'}",
  '\ufeff{}',
  '{}{}',
  '\xff',
  'NaN',
  '[[[',
];
const BAD_AUTHORIZATIONS = ['', 'Bearer', 'Bearer ', 'Basic YTpi', 'Bearer a.b.c', 'Bearer ééé', 'token'];
const OTHER_TYPES = ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', undefined];
/** Good as a key, as a value and as base64. */
const MARK = 'MARK';
const BAD_ESCAPES = ['%', '%4', '%zz', '%FF', '%E0%A4%A', '%ED%A0%80'];

export class FaultMaker {
  readonly #requests: RequestMaker;
  readonly #tokens: Tokens;

  constructor(requests: RequestMaker, tokens: Tokens) {
    this.#requests = requests;
    this.#tokens = tokens;
  }

  /** Requests with one fault, by the kinds of faults that the operation can have. */
  make(path: string, method: string, operation: Operation): readonly fc.Arbitrary<Faulty>[] {
    const { parameters = [], security, requestBody } = operation;
    const good = this.#requests.good(path, method, operation);
    const kinds: fc.Arbitrary<Faulty>[] = [];
    const add = <T>(
      fault: string,
      statuses: readonly number[],
      faults: fc.Arbitrary<T>,
      change: (draft: Draft, fault: T) => Draft | undefined,
    ): void => {
      kinds.push(
        fc
          .tuple(good, faults)
          .map(([draft, value]) => ({ fault, statuses, draft: change(draft, value) }))
          .filter((made): made is Faulty => made.draft !== undefined),
      );
    };

    const scopes = security.flatMap(({ bearer = [] }) => bearer);
    const isOptional = security.some(({ bearer }) => bearer === undefined);
    const hasKey = parameters.some(({ name }) => name === 'key');
    /** Where the token may be left out, the key asks for one. */
    const asking = (draft: Draft): Draft | undefined =>
      isOptional && !draft.query.some(([name]) => name === 'key') ? undefined : draft;

    if (security.length > 0) {
      add('no token', [401], fc.constant(undefined), (draft) => asking({ ...draft, token: undefined }));
      add('a bad token', [401], fc.constantFrom(...BAD_AUTHORIZATIONS), (draft, authorization) =>
        asking({ ...draft, token: undefined, headers: [...draft.headers, ['Authorization', authorization]] }),
      );
      add('two tokens', [401], fc.constant(undefined), (draft) =>
        asking({
          ...draft,
          headers: [...draft.headers, ['Authorization', `Bearer ${this.#requests.token}`]],
        }),
      );
    }
    if (scopes.length > 0) {
      add('a token without the right', [403], fc.constantFrom(...scopes), (draft, scope) =>
        asking({ ...draft, token: this.#tokens.without(scope) }),
      );
    }
    if (security.length > 0 && (hasKey || this.#requests.hasKeyInBody(operation))) {
      add('a token for other keys', [403], fc.constant(undefined), (draft) =>
        // In a batch each command fails by itself.
        Array.isArray(draft.body?.value) ? undefined : asking({ ...draft, token: this.#tokens.elsewhere }),
      );
    }

    for (const { name, in: place, schema } of parameters) {
      if (place === 'path' && name === 'key') {
        add('a path that does not decode', [400], fc.constantFrom(...BAD_ESCAPES), (draft, escape) => ({
          ...draft,
          inPath: { ...draft.inPath, [name]: escape },
        }));
        add('a key that is too long', [413], this.#longKeys(), (draft, key) => ({
          ...draft,
          inPath: { ...draft.inPath, [name]: encodeURIComponent(key) },
        }));
      }
      if (place === 'query') {
        if (name === 'key') {
          add('a key that is too long', [413], this.#longKeys(), (draft, key) =>
            withQuery(draft, name, encodeURIComponent(key)),
          );
        }
        const bad = fc.oneof(fc.string(), fc.constantFrom('', '-1', '1e3', 'TRUE', 'null', ' 1'));
        add(`a bad "${name}"`, [400, 413], bad, (draft, text) =>
          this.#requests.values.isValid(schema, readAs(this.#requests.values.resolved(schema), text))
            ? undefined
            : asking(withQuery(draft, name, encodeURIComponent(text))),
        );
        add(`"${name}" twice`, [400], this.#requests.spelled(schema), (draft, text) => {
          const once = withQuery(draft, name, text);
          return asking({ ...once, query: [...once.query, [name, text]] });
        });
        add('an unknown parameter', [400], fc.string({ unit: 'binary' }), (draft, text) =>
          asking({ ...draft, query: [...draft.query, [`${encodeURIComponent(text)}x`, 'x']] }),
        );
        add('a query that does not decode', [400], fc.constantFrom(...BAD_ESCAPES), (draft, escape) =>
          asking(withQuery(draft, name, escape)),
        );
      }
      const badHeaders = BAD_HEADERS[name];
      if (place === 'header' && badHeaders !== undefined) {
        // Where the token may be left out, a page is what the condition is on, and it is there without a key only.
        const badHeader =
          name === 'If-None-Match' && isOptional
            ? (draft: Draft): Draft => ({ ...draft, query: draft.query.filter(([each]) => each !== 'key') })
            : asking;
        // There need not be a file of that name.
        const refusals = path.includes('{file}') ? [400, 404] : [400];
        add(`a bad ${name}`, refusals, fc.constantFrom(...badHeaders), (draft, value) =>
          badHeader({
            ...draft,
            headers: [...draft.headers.filter(([each]) => each !== name), [name, value]],
          }),
        );
      }
    }

    if (requestBody !== undefined) {
      this.#addBodyFaults(operation, add);
    }
    return kinds;
  }

  #addBodyFaults(
    { requestBody }: Operation,
    add: <T>(
      fault: string,
      statuses: readonly number[],
      faults: fc.Arbitrary<T>,
      change: (draft: Draft, fault: T) => Draft | undefined,
    ) => void,
  ): void {
    const content = requestBody?.content ?? {};
    const { schema = {} } = content['application/json'] ?? {};
    const jsonBody = (value: unknown): Draft['body'] => ({
      type: 'application/json',
      bytes: Buffer.from(JSON.stringify(value)),
      value,
    });
    const types = 'application/octet-stream' in content ? [] : OTHER_TYPES;
    add(
      'another media type',
      [415],
      fc.constantFrom(...types, 'application/json; charset=utf-16', 'application/json; x=y'),
      (draft, type) => draft.body && { ...draft, body: { ...draft.body, type } },
    );
    add('an encoded body', [415], fc.constantFrom('gzip', 'br', 'identity, gzip'), (draft, coding) => ({
      ...draft,
      headers: [...draft.headers, ['Content-Encoding', coding]],
    }));
    add('bad JSON', [400], fc.constantFrom(...BAD_JSON), (draft, text) => ({
      ...draft,
      body: { type: 'application/json', bytes: Buffer.from(text, 'latin1'), value: undefined },
    }));
    // Whatever the schema refuses the service must refuse.
    const odd = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(null, '', 'x', -1, 5, 1.5, true, {}, []),
    );
    const name = fc.oneof(fc.constantFrom('unknown', '__proto__', 'constructor', ''), fc.string());
    const changes = fc.oneof(
      fc.record({ what: fc.constant('replace' as const), value: odd }),
      fc.record({ what: fc.constant('remove' as const), at: fc.nat() }),
      fc.record({ what: fc.constant('field' as const), at: fc.nat(), value: odd }),
      fc.record({ what: fc.constant('add' as const), name, value: odd }),
    );
    add('a body that the schema refuses', [400, 413], changes, (draft, change) => {
      if (draft.body?.type !== 'application/json') return undefined;
      const value = changed(draft.body.value, change);
      return this.#requests.values.isValid(schema, value) ? undefined : { ...draft, body: jsonBody(value) };
    });
    const { valueBytesMax } = this.#requests.limits;
    const longOnes = {
      Key: this.#longKeys(),
      Value: fc.constantFrom<unknown>('x'.repeat(valueBytesMax + 1), ['é'.repeat(valueBytesMax / 2)]),
      Base64Value: fc.constant(Buffer.alloc(valueBytesMax + 1, 1).toString('base64')),
    };
    for (const [component, long] of Object.entries(longOnes)) {
      if (!this.#requests.values.mentions(schema, component)) continue;
      const marked = this.#requests.values
        .valid(schema, { [component]: fc.constant(MARK) })
        .map((value) => JSON.stringify(value))
        .filter((text) => text.includes(`"${MARK}"`));
      add(`a ${component} that is too long`, [413], fc.tuple(marked, long), (draft, [text, value]) => {
        const bytes = Buffer.from(text.replaceAll(`"${MARK}"`, () => JSON.stringify(value)));
        return { ...draft, body: { type: 'application/json', bytes, value: undefined } };
      });
    }
  }

  #longKeys(): fc.Arbitrary<string> {
    const { keyBytesMax } = this.#requests.limits;
    // The second has few enough characters, but too many bytes.
    return fc.constantFrom('k'.repeat(keyBytesMax + 1), 'é'.repeat(Math.floor(keyBytesMax / 2) + 1));
  }
}

function withQuery(draft: Draft, name: string, value: string): Draft {
  return { ...draft, query: [...draft.query.filter(([each]) => each !== name), [name, value]] };
}

/** A parameter's text as the value that the schema speaks of. */
function readAs({ type, enum: values }: Schema, text: string): unknown {
  if (type === 'number') return /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  if (values?.some((value) => typeof value === 'number') === true)
    return /^\d$/.test(text) ? Number(text) : text;
  return text;
}

type Change =
  | { readonly what: 'replace'; readonly value: unknown }
  | { readonly what: 'remove'; readonly at: number }
  | { readonly what: 'field'; readonly at: number; readonly value: unknown }
  | { readonly what: 'add'; readonly name: string; readonly value: unknown };

/** The body with one change; in a batch in its first command. */
function changed(body: unknown, change: Change): unknown {
  if (Array.isArray(body)) return [changed(body[0], change), ...(body.slice(1) as unknown[])];
  if (change.what === 'replace' || typeof body !== 'object' || body === null)
    return 'value' in change ? change.value : null;
  const entries = Object.entries(body);
  if (change.what === 'add') return Object.fromEntries([...entries, [change.name, change.value]]);
  const place = change.at % Math.max(1, entries.length);
  return Object.fromEntries(
    change.what === 'remove'
      ? entries.filter((_, index) => index !== place)
      : entries.map(([name, value], index) => [name, index === place ? change.value : value]),
  );
}
