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
  readonly #definitions: Readonly<Record<string, unknown>>;
  readonly #compiled = new Map<Schema, ValidateFunction>();

  /** `closed`: an object may have no field that is not described. */
  constructor(
    document: OpenApi,
    readonly closed: boolean,
  ) {
    this.#definitions = Object.fromEntries(
      Object.entries(document.components.schemas).map(([name, schema]) => [name, this.#prepared(schema)]),
    );
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
    const compiled = this.#ajv.compile({ ...this.#prepared(schema), $defs: this.#definitions });
    this.#compiled.set(schema, compiled);
    return compiled;
  }

  #prepared(schema: Schema): Schema {
    const { properties, propertyNames, items, prefixItems, oneOf, additionalProperties, $ref, ...rest } =
      schema;
    const isOpen = properties !== undefined && additionalProperties === undefined;
    return {
      ...rest,
      ...($ref === undefined ? {} : { $ref: $ref.replace('#/components/schemas/', '#/$defs/') }),
      ...(properties === undefined
        ? {}
        : {
            properties: Object.fromEntries(
              Object.entries(properties).map(([name, property]) => [name, this.#prepared(property)]),
            ),
          }),
      ...(propertyNames === undefined ? {} : { propertyNames: this.#prepared(propertyNames) }),
      ...(items === undefined ? {} : { items: items === false ? false : this.#prepared(items) }),
      ...(prefixItems === undefined ? {} : { prefixItems: prefixItems.map((item) => this.#prepared(item)) }),
      ...(oneOf === undefined ? {} : { oneOf: oneOf.map((choice) => this.#prepared(choice)) }),
      ...(isOpen && this.closed ? { additionalProperties: false } : {}),
      ...(additionalProperties === undefined
        ? {}
        : {
            additionalProperties:
              typeof additionalProperties === 'object'
                ? this.#prepared(additionalProperties)
                : additionalProperties,
          }),
    };
  }
}

export class AnswerCheck {
  readonly #schemas: CompiledSchemas;

  constructor(readonly document: OpenApi) {
    this.#schemas = new CompiledSchemas(document, true);
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
    { status, headers: given, body }: Answered,
  ): string[] {
    const faults: string[] = [];
    for (const [name, { required, schema }] of Object.entries(headers)) {
      const value = given[name.toLowerCase()];
      if (value === undefined) {
        if (required === true) faults.push(`there is no ${name}`);
        continue;
      }
      faults.push(...this.#schemas.faultsOf(schema, value).map((fault) => `${name}: ${fault}`));
    }
    for (const name of [
      'etag',
      'cache-status',
      'ringcache-session',
      'retry-after',
      'allow',
      'www-authenticate',
    ]) {
      // The session is on failures too, in the words of its description.
      if (given[name] === undefined || (name === 'ringcache-session' && status >= 400)) continue;
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
    return [...faults, ...this.#schemas.faultsOf(media.schema, value).map((fault) => `body: ${fault}`)];
  }
}
