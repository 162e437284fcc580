/**
 * The parts of OpenAPI 3.1.1 and of JSON Schema 2020-12 that the description is made of. A vocabulary of few words,
 * so that what reads the description (the page, the tests) can know all of them.
 */

export interface OpenApi {
  readonly openapi: '3.1.1';
  readonly info: {
    readonly title: string;
    /** Of the description, not of the program: no answer tells that one. */
    readonly version: string;
    readonly description: string;
    readonly license: { readonly name: string; readonly identifier: string };
  };
  readonly servers: readonly { readonly url: string }[];
  readonly tags: readonly Tag[];
  readonly paths: Paths;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly responses: Readonly<Record<string, Response>>;
    readonly securitySchemes: Readonly<Record<string, SecurityScheme>>;
  };
}

export interface Tag {
  readonly name: TagName;
  readonly description: string;
}

export type TagName = 'Login' | 'Commands' | 'REST' | 'Other forms' | 'Operations' | 'Pages';

export interface SecurityScheme {
  readonly type: 'http';
  readonly scheme: 'bearer';
  readonly bearerFormat: string;
  readonly description: string;
}

export const METHODS = ['get', 'head', 'post', 'put', 'delete'] as const;
export type Method = (typeof METHODS)[number];

export type PathItem = Partial<Readonly<Record<Method, Operation>>>;
/** By the path in OpenAPI's notation. */
export type Paths = Readonly<Record<string, PathItem>>;

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly [TagName];
  readonly summary: string;
  readonly description?: string;
  /** Empty: open to all. With the scopes that the token's client must have; `{}`: it also goes without a token. */
  readonly security: readonly { readonly bearer?: readonly string[] }[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: RequestBody;
  readonly responses: Responses;
}

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly description: string;
  readonly schema: Schema;
  readonly example?: string | number;
}

export interface RequestBody {
  readonly required: boolean;
  readonly description?: string;
  readonly content: Content;
}

/** By media type. */
export type Content = Readonly<Record<string, MediaType>>;

export interface MediaType {
  readonly schema: Schema;
  readonly examples?: Readonly<Record<string, Example>>;
}

export interface Example {
  readonly summary: string;
  readonly value: unknown;
}

/** By status. */
export type Responses = Readonly<Record<string, Response | Ref>>;

export interface Response {
  readonly description: string;
  readonly headers?: Readonly<Record<string, Header>>;
  readonly content?: Content;
}

export interface Header {
  readonly description: string;
  readonly required?: boolean;
  readonly schema: Schema;
}

export interface Ref {
  readonly $ref: string;
}

type Scalar = string | number | boolean | null;
type SchemaType = 'string' | 'number' | 'integer' | 'boolean' | 'object' | 'array' | 'null';

/** `{}` is any JSON value. */
export interface Schema {
  readonly $ref?: string;
  readonly description?: string;
  readonly type?: SchemaType | readonly SchemaType[];
  readonly const?: Scalar;
  readonly enum?: readonly Scalar[];
  readonly default?: Scalar;
  /** Characters; our limits are bytes, which is why they are told in words, too. */
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly contentEncoding?: 'base64';
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema | false;
  readonly prefixItems?: readonly Schema[];
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly propertyNames?: Schema;
  readonly additionalProperties?: boolean | Schema;
  readonly oneOf?: readonly Schema[];
  readonly not?: Schema;
}

/** A schema of `components`. */
export function schemaRef(name: string): Ref {
  return { $ref: `#/components/schemas/${name}` };
}

/** The component that a reference leads to; what is no reference is itself. */
export function resolved({ components }: OpenApi, response: Response | Ref): Response {
  if (!('$ref' in response)) return response;
  const found = components.responses[response.$ref.replace('#/components/responses/', '')];
  if (found === undefined) throw new Error(`the description has no ${response.$ref}`);
  return found;
}

/** An answer that is one JSON value. */
export function jsonAnswer(
  description: string,
  schema: Schema,
  headers: Readonly<Record<string, Header>> = {},
): Response {
  return { description, headers, content: { 'application/json': { schema } } };
}

/** A body that must be there and is JSON. */
export function jsonBody(
  schema: Schema,
  examples: Readonly<Record<string, { readonly summary: string; readonly value: unknown }>>,
): RequestBody {
  return { required: true, content: { 'application/json': { schema, examples } } };
}

/** An object all of whose fields are named; those in `optional` may be absent. */
export function objectOf(
  properties: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
): Schema {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
  };
}
