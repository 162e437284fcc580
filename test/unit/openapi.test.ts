/** The description by itself: good OpenAPI 3.1, whole, and true to the closed lists it is made of. */
import { HTTP_STATUS } from '../../src/doors/http/respond';
import { createOpenApi } from '../../src/doors/http/docs/create-open-api';
import {
  type MediaType,
  METHODS,
  type Operation,
  resolved,
  type Response,
  type Schema,
} from '../../src/doors/http/docs/open-api';
import { CompiledSchemas } from '../support/openapi-answers';
import { USUAL_LIMITS } from '../support/usual-limits';

const document = createOpenApi(USUAL_LIMITS);
const compiled = new CompiledSchemas(document, false);

const operations: [name: string, path: string, operation: Operation][] = Object.entries(
  document.paths,
).flatMap(([path, item]) =>
  METHODS.flatMap((method): [string, string, Operation][] => {
    const operation = item[method];
    return operation === undefined ? [] : [[`${method.toUpperCase()} ${path}`, path, operation]];
  }),
);

function responsesOf(operation: Operation): [status: string, response: Response][] {
  return Object.entries(operation.responses).map(([status, response]) => [
    status,
    resolved(document, response),
  ]);
}

function mediaOf({ requestBody }: Operation): MediaType[] {
  return Object.values(requestBody?.content ?? {});
}

it('each reference leads somewhere, and each component is referred to', () => {
  const text = JSON.stringify(document);
  const referred = new Set(
    [...text.matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)].map(([, kind, name]) => `${kind}/${name}`),
  );
  expect(text.match(/"\$ref"/g)).toHaveLength(
    [...text.matchAll(/"\$ref":"#\/components\/\w+\/\w+"/g)].length,
  );
  const { schemas, responses } = document.components;
  const held = [
    ...Object.keys(schemas).map((name) => `schemas/${name}`),
    ...Object.keys(responses).map((name) => `responses/${name}`),
  ];
  expect([...referred].filter((name) => !held.includes(name))).toEqual([]);
  // What answers requests that are not described.
  const apart = ['responses/not_found', 'responses/method_not_allowed'];
  expect(held.filter((name) => !referred.has(name) && !apart.includes(name))).toEqual([]);
});

it('operation ids are unique, and tags and security schemes are declared', () => {
  const ids = operations.map(([, , { operationId }]) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  const tags = document.tags.map(({ name }) => name);
  for (const [, , { tags: used, security }] of operations) {
    expect(tags).toEqual(expect.arrayContaining([...used]));
    const schemes = security.flatMap((alternative) => Object.keys(alternative));
    expect(Object.keys(document.components.securitySchemes)).toEqual(expect.arrayContaining(schemes));
  }
});

describe.each(operations)('%s', (_name, path, operation) => {
  it('declares its parameters once, those of its path all and as required, and no header that is not its to declare', () => {
    const { parameters = [] } = operation;
    const names = parameters.map(({ name, in: place }) => `${place} ${name.toLowerCase()}`);
    expect(new Set(names).size).toBe(names.length);
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(parameters.filter((each) => each.in === 'path').map(({ name }) => name)).toEqual(inPath);
    expect(parameters.filter((each) => each.in === 'path' && each.required !== true)).toEqual([]);
    // OpenAPI 3.1, 4.8.12.2.1: these are told elsewhere.
    for (const name of ['accept', 'content-type', 'authorization'])
      expect(names).not.toContain(`header ${name}`);
  });

  it('has answers with a success among them, each of a code of its status', () => {
    const responses = responsesOf(operation);
    expect(responses.map(([status]) => status)).toContain('200');
    for (const [status, response] of responses) {
      expect(status).toMatch(/^[2-5]\d\d$/);
      expect(response.description).not.toBe('');
      const { schema } = response.content?.['application/json'] ?? {};
      const { const: only, enum: several = [only] } = schema?.properties?.['code'] ?? {};
      const codes = several.filter((code) => code !== undefined).map(String) as (keyof typeof HTTP_STATUS)[];
      expect(codes.map((code) => String(HTTP_STATUS[code]))).toEqual(codes.map(() => status));
      if (Number(status) >= 405) expect(codes).not.toEqual([]);
    }
  });

  it('has schemas that compile in strict mode, and examples that they allow', () => {
    const { parameters = [] } = operation;
    for (const { schema, example } of parameters) {
      compiled.compile(schema);
      if (example !== undefined) expect(compiled.faultsOf(schema, example)).toEqual([]);
    }
    for (const { schema, examples = {} } of mediaOf(operation)) {
      for (const { value } of Object.values(examples)) expect(compiled.faultsOf(schema, value)).toEqual([]);
    }
    for (const [, { headers = {}, content = {} }] of responsesOf(operation)) {
      const schemas: Schema[] = [...Object.values(headers), ...Object.values(content)].map(
        ({ schema }) => schema,
      );
      for (const schema of schemas) compiled.compile(schema);
    }
  });
});

it('every error code is explained, under the status it has', () => {
  const responses = [
    ...Object.values(document.components.responses),
    ...operations.flatMap(([, , operation]) => responsesOf(operation).map(([, response]) => response)),
  ];
  const explained = responses.flatMap(({ content = {} }): unknown[] => {
    const { const: only, enum: several = [only] } =
      content['application/json']?.schema.properties?.['code'] ?? {};
    return [...several];
  });
  expect([...new Set(explained)].filter((code) => code !== undefined).sort()).toEqual(
    Object.keys(HTTP_STATUS).sort(),
  );
});
