/** Whether an answer is what the description says: its status, its type, its headers, each field of its body. */
import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020';
import {
  type OpenApi,
  type Operation,
  resolved,
  type Response,
  type Schema,
} from '../../src/doors/http/docs/open-api';
import type { Answered } from './openapi-client';

/** Schemas compiled, each once; strict: what ajv does not know or finds doubtful is an error. */
export class CompiledSchemas {
  // `oneOf` says which of the fields beside it are required together, which `strictRequired` does not look for.
  readonly #ajv = new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true });
  readonly #schemas: Readonly<Record<string, Schema>>;
  readonly #compiled = new Map<Schema, ValidateFunction>();

  /**
   * `closed`: an object may have no field that is not described. Otherwise the schemas are taken as they are
   * published.
   */
  constructor(
    document: OpenApi,
    readonly closed: boolean,
  ) {
    // Where references lead; each schema is compiled as the root of a document that has them.
    this.#ajv.addKeyword('components');
    this.#schemas = closed ? mapped(document.components.schemas, closedSchema) : document.components.schemas;
  }

  /** What is wrong with the value; empty: nothing. */
  faultsOf(schema: Schema, value: unknown): string[] {
    const validate = this.compile(schema);
    if (validate(value)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${instancePath || 'it'} ${message ?? ''} ${JSON.stringify(params)}`,
    );
  }

  /** @throws Error when the schema is no good, or leads nowhere */
  compile(schema: Schema): ValidateFunction {
    const known = this.#compiled.get(schema);
    if (known !== undefined) return known;
    const own = this.closed ? closedSchema(schema) : schema;
    const compiled = this.#ajv.compile({ ...own, components: { schemas: this.#schemas } });
    this.#compiled.set(schema, compiled);
    return compiled;
  }
}

/** The schema without room for fields that it does not name. */
function closedSchema(schema: Schema): Schema {
  const { properties, propertyNames, items, prefixItems, oneOf, additionalProperties, ...rest } = schema;
  const others = properties === undefined ? additionalProperties : (additionalProperties ?? false);
  return {
    ...rest,
    ...(properties === undefined ? {} : { properties: mapped(properties, closedSchema) }),
    ...(propertyNames === undefined ? {} : { propertyNames: closedSchema(propertyNames) }),
    ...(items === undefined ? {} : { items: items === false ? false : closedSchema(items) }),
    ...(prefixItems === undefined ? {} : { prefixItems: prefixItems.map(closedSchema) }),
    ...(oneOf === undefined ? {} : { oneOf: oneOf.map(closedSchema) }),
    ...(others === undefined
      ? {}
      : { additionalProperties: typeof others === 'object' ? closedSchema(others) : others }),
  };
}

function mapped<From, To>(
  record: Readonly<Record<string, From>>,
  change: (from: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([name, from]) => [name, change(from)]));
}

/** Headers that no answer may have undescribed. */
const TOLD = [
  'etag',
  'vary',
  'cache-status',
  'ringcache-session',
  'retry-after',
  'allow',
  'www-authenticate',
];

/**
 * Judges by the description as it is published, which is what others generate clients from, and by the closed one,
 * which has no room for what is not described. Neither includes the other: of two choices that are open a value may
 * meet both, and then it meets `oneOf` not at all.
 */
export class AnswerCheck {
  readonly #published: CompiledSchemas;
  readonly #closed: CompiledSchemas;

  constructor(readonly document: OpenApi) {
    this.#published = new CompiledSchemas(document, false);
    this.#closed = new CompiledSchemas(document, true);
  }

  /** What the answer has that the operation's description has not, or the other way round. */
  faultsOf(operation: Operation, method: string, answer: Answered): string[] {
    const described = operation.responses[String(answer.status)];
    if (described === undefined) return [`the status ${answer.status} is not described`];
    return this.faultsOfResponse(resolved(this.document, described), method, answer);
  }

  faultsOfResponse(
    { headers = {}, content = {} }: Response,
    method: string,
    { headers: given, body }: Answered,
  ): string[] {
    const faults: string[] = [];
    for (const [name, { required, schema }] of Object.entries(headers)) {
      const value = given[name.toLowerCase()];
      if (value === undefined) {
        if (required === true) faults.push(`there is no ${name}`);
        continue;
      }
      faults.push(...this.#faultsOfValue(schema, value).map((fault) => `${name}: ${fault}`));
    }
    for (const name of TOLD) {
      if (given[name] === undefined) continue;
      if (!Object.keys(headers).some((each) => each.toLowerCase() === name)) {
        faults.push(`${name} is not described`);
      }
    }

    if (Object.keys(content).length === 0) {
      return body.length === 0 ? faults : [...faults, 'a body is not described'];
    }
    const [type = ''] = String(given['content-type'] ?? '').split(';');
    const media = content[type];
    if (media === undefined) return [...faults, `the content type "${type}" is not described`];
    if (method === 'head') return body.length === 0 ? faults : [...faults, 'HEAD has a body'];
    if (type === 'application/octet-stream') return faults;
    const value: unknown = type === 'application/json' ? JSON.parse(body.toString()) : body.toString();
    return [...faults, ...this.#faultsOfValue(media.schema, value).map((fault) => `body: ${fault}`)];
  }

  #faultsOfValue(schema: Schema, value: unknown): string[] {
    return [
      ...this.#published.faultsOf(schema, value).map((fault) => `as published ${fault}`),
      ...this.#closed.faultsOf(schema, value),
    ];
  }
}
