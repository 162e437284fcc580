/**
 * Values made from the schemas of the description, for fast-check. A word of a schema that is not known here is an
 * error, so that none is passed over.
 */
import fc from 'fast-check';
import type { Limits } from '../../src/core/limits';
import type { OpenApi, Schema } from '../../src/doors/http/docs/open-api';
import { CompiledSchemas } from './openapi-answers';

/** Looked at by the filter at the end, or of no account for what is made. */
const JUDGED = ['description', 'default', 'not', 'contentEncoding'];
const KNOWN = [
  ...JUDGED,
  ...['$ref', 'type', 'const', 'enum', 'minLength', 'maxLength', 'pattern', 'minimum', 'maximum', 'items'],
  ...['minItems', 'maxItems', 'properties', 'required', 'minProperties', 'maxProperties', 'propertyNames'],
  ...['additionalProperties', 'oneOf'],
];

/** Of elements, fields and characters: more shows nothing new. */
const COUNT_MAX = 4;
const LENGTH_MAX = 24;

/** Keys that are asked for again and again. */
export const KEYS_IN_USE = ['k', 'é', '😀'] as const;

/** By the name of a component: what is to stand for it, whatever its schema says. */
export type StandIns = Readonly<Record<string, fc.Arbitrary<unknown>>>;

export class ValueMaker {
  readonly #schemas: CompiledSchemas;

  constructor(
    readonly document: OpenApi,
    readonly limits: Limits,
  ) {
    this.#schemas = new CompiledSchemas(document, false);
  }

  /** The component that a schema leads to, or itself. */
  resolved(schema: Schema): Schema {
    if (schema.$ref === undefined) return schema;
    const component = this.document.components.schemas[nameIn(schema.$ref)];
    if (component === undefined) throw new Error(`${schema.$ref} leads nowhere`);
    return component;
  }

  isValid(schema: Schema, value: unknown): boolean {
    return this.#schemas.faultsOf(schema, value).length === 0;
  }

  /**
   * Values that the schema allows, in the bounds that it tells in words too: lengths count bytes. With `standIns` for
   * some of its components.
   */
  valid(schema: Schema, standIns: StandIns = {}): fc.Arbitrary<unknown> {
    return this.#made(schema, standIns).filter((value) => this.isValid(schema, value));
  }

  /** Whether the schema refers to the component, by way of others too. */
  mentions(schema: Schema, component: string): boolean {
    return [...JSON.stringify(schema).matchAll(/"\$ref":"([^"]+)"/g)].some(
      ([, $ref = '']) => nameIn($ref) === component || this.mentions(this.resolved({ $ref }), component),
    );
  }

  #made(schema: Schema, standIns: StandIns): fc.Arbitrary<unknown> {
    if (schema.$ref === '#/components/schemas/Key' && !('Key' in standIns)) {
      // Most of them over and over, so that there is something under them.
      return fc.oneof(
        { weight: 2, arbitrary: fc.constantFrom(...KEYS_IN_USE) },
        { weight: 1, arbitrary: this.#text(this.resolved(schema)) },
      );
    }
    const unknown = Object.keys(schema).filter((word) => !KNOWN.includes(word));
    if (unknown.length > 0) throw new Error(`no values are made for: ${unknown.join(', ')}`);
    if (schema.$ref !== undefined) {
      return standIns[nameIn(schema.$ref)] ?? this.#made(this.resolved(schema), standIns);
    }
    if (schema.const !== undefined) return fc.constant(schema.const);
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
    const isChoice = schema.oneOf !== undefined && schema.type === undefined;
    if (isChoice) return fc.oneof(...schema.oneOf.map((choice) => this.#made(choice, standIns)));
    switch (schema.type) {
      case undefined:
        return this.#anyJson();
      case 'string':
        return this.#text(schema);
      case 'number':
        return fc.oneof(
          fc.double({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9, noNaN: true }),
          fc.integer({ min: schema.minimum ?? -1000, max: 1000 }),
        );
      case 'integer':
        return fc.integer({ min: schema.minimum ?? -1000, max: schema.maximum ?? 1000 });
      case 'boolean':
        return fc.boolean();
      case 'array': {
        const { items, minItems = 0, maxItems = COUNT_MAX } = schema;
        const element = typeof items === 'object' ? this.#made(items, standIns) : this.#anyJson();
        return fc.array(element, {
          minLength: minItems,
          maxLength: Math.min(maxItems, minItems + COUNT_MAX),
        });
      }
      case 'object':
        return this.#object(schema, standIns);
      default:
        throw new Error(`no values are made for the type ${String(schema.type)}`);
    }
  }

  #object(schema: Schema, standIns: StandIns): fc.Arbitrary<unknown> {
    const { properties = {}, additionalProperties, propertyNames, minProperties = 0 } = schema;
    const made = Object.entries(properties).map(
      ([name, each]) => [name, this.#made(each, standIns)] as const,
    );
    const named = fc.oneof(
      ...shapesOf(schema).map(({ required, absent }) =>
        fc.record(Object.fromEntries(made.filter(([name]) => !absent.includes(name))), {
          requiredKeys: [...required],
        }),
      ),
    );
    if (additionalProperties === undefined || additionalProperties === false) return named;
    const name =
      propertyNames === undefined ? fc.string({ maxLength: 8 }) : this.#made(propertyNames, standIns);
    const value =
      typeof additionalProperties === 'object' ? this.#made(additionalProperties, standIns) : this.#anyJson();
    const others = fc.dictionary(name as fc.Arbitrary<string>, value, {
      minKeys: minProperties,
      maxKeys: Math.min(schema.maxProperties ?? COUNT_MAX, minProperties + COUNT_MAX),
      noNullPrototype: true,
    });
    return fc.tuple(others, named).map(([more, fields]) => ({ ...more, ...fields }));
  }

  /** Text that UTF-8 can spell, of at most so many bytes. */
  #text({ minLength = 0, maxLength = LENGTH_MAX, pattern }: Schema): fc.Arbitrary<string> {
    const options = { minLength, maxLength: Math.max(minLength, Math.min(maxLength, LENGTH_MAX)) };
    const text =
      pattern === undefined
        ? fc.oneof(
            fc.string(options),
            fc.string({ ...options, unit: 'binary' }),
            fc.constantFrom(
              '__proto__',
              'constructor',
              'é',
              '😀',
              ' ',
              '\0',
              '"',
              '%2F',
              '..',
              'x'.repeat(maxLength),
            ),
          )
        : fc.stringMatching(new RegExp(pattern), { size: 'xsmall' });
    return text.filter(
      (made) => made.length >= minLength && made.isWellFormed() && Buffer.byteLength(made) <= maxLength,
    );
  }

  #anyJson(): fc.Arbitrary<unknown> {
    return fc
      .oneof(fc.string({ maxLength: 12 }), fc.jsonValue({ maxDepth: 3 }))
      .filter((value) => Buffer.byteLength(JSON.stringify(value)) <= this.limits.valueBytesMax);
  }
}

/** Which fields there are, by `required`, and by `oneOf` and `not` where they speak of nothing but that. */
function shapesOf({ required = [], oneOf = [{}], not }: Schema): { required: string[]; absent: string[] }[] {
  const choices = oneOf.map((choice) => choice.required ?? []);
  const neverTogether = not?.required ?? [];
  return choices.flatMap((chosen) => {
    const others = choices.flat().filter((name) => !chosen.includes(name));
    const shape = { required: [...required, ...chosen], absent: others };
    if (neverTogether.length === 0) return [shape];
    return neverTogether.map((name) => ({ ...shape, absent: [...others, name] }));
  });
}

function nameIn($ref: string): string {
  return $ref.replace('#/components/schemas/', '');
}
