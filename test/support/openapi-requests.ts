/**
 * Requests made from the description of an operation, for fast-check, of which the service must not refuse a single
 * one.
 */
import fc from 'fast-check';
import type { Limits } from '../../src/core/limits';
import type { OpenApi, Operation, Parameter, Schema } from '../../src/doors/http/docs/open-api';
import { API_KEY } from './http-door';
import type { Asked } from './openapi-client';
import { ValueMaker } from './openapi-values';

/** A request before it is put together. */
export interface Draft {
  readonly path: string;
  readonly method: string;
  /** By name; undefined: left out. Percent-encoded where they are a part of the target. */
  readonly inPath: Readonly<Record<string, string>>;
  readonly query: readonly (readonly [string, string])[];
  readonly headers: readonly (readonly [string, string])[];
  readonly token: string | undefined;
  readonly body:
    { readonly type: string | undefined; readonly bytes: Buffer; readonly value: unknown } | undefined;
}

const SESSION = 'Ringcache-Session';

/** Headers whose good values no schema can tell. */
const HEADER_VALUES: Readonly<Record<string, readonly string[]>> = {
  [SESSION]: [''],
  Prefer: ['return=minimal', 'return=representation', 'wait=10, return="minimal"', 'x'],
  'If-Match': ['*', '"x"', 'W/"x"', '"x", "y,z"'],
  'If-None-Match': ['*', '"x"', 'W/"x"', '"x", "y,z"'],
};

/** Of parameters in a path that are neither keys nor guessed: one file of each type that the console has. */
const FILES = ['console.css', 'main.js', 'icon.svg'];

/** What no operation describes, and none may stumble over. */
const NOISE = [
  ...['*/*', 'application/json', 'application/octet-stream', 'text/html;q=0.5, */*', 'x', ''].map(
    (accept) => ['Accept', accept] as const,
  ),
  ['Accept-Encoding', 'gzip'],
  ['If-Modified-Since', 'Sat, 01 Jan 2000 00:00:00 GMT'],
  ['X-Forwarded-For', '1.2.3.4'],
  ['Cookie', 'a=b'],
  ['Range', 'bytes=0-1'],
] as const;

export class RequestMaker {
  readonly values: ValueMaker;

  /** `token`: of a client with all rights. */
  constructor(
    document: OpenApi,
    readonly limits: Limits,
    readonly token: string,
  ) {
    this.values = new ValueMaker(document, limits);
  }

  /** Requests as the description allows them, in words too. */
  good(path: string, method: string, operation: Operation): fc.Arbitrary<Draft> {
    const { parameters = [], security } = operation;
    const ofPlace = (place: Parameter['in']): readonly Parameter[] =>
      parameters.filter((parameter) => parameter.in === place);
    const inPath = fc.record(
      Object.fromEntries(
        ofPlace('path').map(({ name, schema }) => {
          const spelled = this.spelled(schema);
          return [name, name === 'file' ? fc.oneof(fc.constantFrom(...FILES), spelled) : spelled];
        }),
      ),
    );
    const pairs = (place: 'query' | 'header'): fc.Arbitrary<(readonly [string, string])[]> =>
      fc
        .tuple(
          ...ofPlace(place).map((parameter) => {
            const { name, required, schema } = parameter;
            const values =
              place === 'header' ? fc.constantFrom(...(HEADER_VALUES[name] ?? [])) : this.spelled(schema);
            const pair = values.map((value) => [name, value] as const);
            return required === true ? pair : fc.option(pair, { nil: undefined });
          }),
        )
        .map((found) => found.filter((pair) => pair !== undefined));
    return fc
      .record({
        path: fc.constant(path),
        method: fc.constant(method),
        inPath: inPath,
        query: pairs('query'),
        headers: fc
          .tuple(pairs('header'), fc.subarray([...NOISE], { maxLength: 2 }))
          .map(([described, noise]) => [...described, ...noise]),
        token: fc.constant(security.some(({ bearer }) => bearer !== undefined) ? this.token : undefined),
        body: this.#body(operation),
      })
      .filter(isPossible);
  }

  /**
   * The requests that the description shows: the parameters by their examples, and each example of a body; in a
   * session.
   */
  examples(path: string, method: string, { parameters = [], security, requestBody }: Operation): Draft[] {
    const ofPlace = (place: Parameter['in']): (readonly [string, string])[] =>
      parameters.flatMap(({ name, in: where, example }) =>
        where === place && example !== undefined ? [[name, encodeURIComponent(example)] as const] : [],
      );
    const bodies = Object.entries(requestBody?.content ?? {}).flatMap(([type, { examples = {} }]) =>
      Object.values(examples).map(({ value }) => {
        const isJson = type === 'application/json';
        const text = isJson ? JSON.stringify(value).replace('$API_KEY', API_KEY) : String(value);
        return { type, bytes: Buffer.from(text), value: isJson ? value : undefined };
      }),
    );
    return (requestBody === undefined ? [undefined] : bodies).map((body) => ({
      path,
      method,
      inPath: Object.fromEntries(ofPlace('path')),
      query: ofPlace('query'),
      headers: parameters.some(({ name }) => name === SESSION) ? [[SESSION, '']] : [],
      token: security.some(({ bearer }) => bearer !== undefined) ? this.token : undefined,
      body,
    }));
  }

  /** The operation with a session in each of its requests; undefined: it takes none. */
  inSession(operation: Operation): Operation | undefined {
    const { parameters = [] } = operation;
    if (!parameters.some(({ name }) => name === SESSION)) return undefined;
    const asking = parameters.map((each) => (each.name === SESSION ? { ...each, required: true } : each));
    return { ...operation, parameters: asking };
  }

  /** A parameter's value as it stands in a target. */
  spelled(schema: Schema): fc.Arbitrary<string> {
    return (
      this.values
        .valid(schema)
        .map((value) => String(value))
        // Numbers are spelled without an exponent, as the description has it in words.
        .filter((text) => !(this.values.resolved(schema).type === 'number' && text.includes('e')))
        .map(encodeURIComponent)
    );
  }

  /** Whether its body says to which keys it goes. */
  hasKeyInBody({ requestBody }: Operation): boolean {
    const { schema } = requestBody?.content['application/json'] ?? {};
    return schema !== undefined && this.values.mentions(schema, 'Key');
  }

  #body({ operationId, requestBody }: Operation): fc.Arbitrary<Draft['body']> {
    if (requestBody === undefined) return fc.constant(undefined);
    const kinds = Object.entries(requestBody.content).map(
      ([type, { schema }]): fc.Arbitrary<Draft['body']> => {
        if (type !== 'application/json') {
          return fc.uint8Array({ maxLength: Math.min(64, this.limits.valueBytesMax) }).map((bytes) => ({
            type,
            bytes: Buffer.from(bytes),
            value: undefined,
          }));
        }
        return this.values.valid(schema).map((made) => {
          const value = operationId === 'login' ? { ...(made as object), api_key: API_KEY } : made;
          return { type, bytes: Buffer.from(JSON.stringify(value)), value };
        });
      },
    );
    return requestBody.required ? fc.oneof(...kinds) : fc.oneof(...kinds, fc.constant(undefined));
  }
}

/** The request as it is sent. */
export function asked({ path, method, inPath, query, headers, token, body }: Draft): Asked {
  const target = Object.entries(inPath).reduce(
    (text, [name, value]) => text.replace(`{${name}}`, () => value),
    path,
  );
  const search = query.map(([name, value]) => `${name}=${value}`).join('&');
  return {
    method: method.toUpperCase(),
    target: search === '' ? target : `${target}?${search}`,
    headers: [
      ...headers,
      ...(token === undefined ? [] : [['Authorization', `Bearer ${token}`] as const]),
      ...(body?.type === undefined ? [] : [['Content-Type', body.type] as const]),
    ].map(([name, value]) => [name, Buffer.from(value).toString('latin1')]),
    body: body?.bytes,
  };
}

/** What the description says in words alone. */
function isPossible({ method, headers }: Draft): boolean {
  const valueOf = (name: string): string | undefined => headers.find(([each]) => each === name)?.[1];
  const changes = method === 'put' || method === 'delete';
  if (changes && valueOf('If-Match') !== undefined && valueOf('If-None-Match') !== undefined) return false;
  return !(method === 'delete' && valueOf('If-None-Match') === '*');
}
