/** A JSON Schema as HTML: its type and limits in a line of words, its fields as a list, components as links. */
import { html, type Html, prose } from './html';
import type { Schema } from './open-api';

const COMPONENTS = '#/components/schemas/';

/** The schema with all that is in it; components are led to. */
export function schemaHtml(schema: Schema): Html {
  const { description, properties, oneOf, items, additionalProperties, prefixItems } = schema;
  const choices = oneOf?.filter((choice) => choice.type !== undefined || choice.$ref !== undefined) ?? [];
  return html`<div class="schema">
    <p class="kind">${kindOf(schema)}</p>
    ${description === undefined ? undefined : html`<p>${prose(description)}</p>`}
    ${
      choices.length === 0
        ? undefined
        : html`<ul>
            ${choices.map((choice) => html`<li>${schemaHtml(choice)}</li>`)}
          </ul>`
    }
    ${properties === undefined ? undefined : fieldsHtml(properties, schema.required ?? [])}
    ${
      typeof additionalProperties === 'object'
        ? html`<p>Each field:</p>
            ${schemaHtml(additionalProperties)}`
        : undefined
    }
    ${prefixItems?.map((item) => schemaHtml(item))}
    ${typeof items === 'object' ? schemaHtml(items) : undefined}
  </div>`;
}

function fieldsHtml(properties: Readonly<Record<string, Schema>>, required: readonly string[]): Html {
  const fields = Object.entries(properties).map(
    ([name, schema]) =>
      html`<dt>
          <code>${name}</code
          >${required.includes(name) ? undefined : html` <span class="optional">optional</span>`}
        </dt>
        <dd>${schemaHtml(schema)}</dd>`,
  );
  return html`<dl>${fields}</dl>`;
}

/** `text of 1 to 10 characters`, `one of`, a link. */
function kindOf(schema: Schema): Html {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace(COMPONENTS, '');
    return html`<a href="#schema-${name}">${name}</a>`;
  }
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`;
  if (schema.enum !== undefined) {
    const values = schema.enum.map(
      (value, index) => html`${index === 0 ? '' : ', '}<code>${JSON.stringify(value)}</code>`,
    );
    return html`one of ${values}${defaultOf(schema)}`;
  }
  if (schema.type === undefined) return schema.oneOf === undefined ? html`any JSON value` : html`one of`;
  const types = typeof schema.type === 'string' ? [schema.type] : schema.type;
  return html`${types.join(' or ')}${limitsOf(schema)}${defaultOf(schema)}${
    schema.additionalProperties === false ? ', no other fields' : undefined
  }`;
}

function defaultOf(schema: Schema): Html | undefined {
  return schema.default === undefined
    ? undefined
    : html`, <code>${JSON.stringify(schema.default)}</code> if absent`;
}

function limitsOf({
  minLength,
  maxLength,
  minimum,
  maximum,
  minItems,
  maxItems,
  minProperties,
  contentEncoding,
}: Schema) {
  return [
    contentEncoding === undefined ? '' : ` of ${contentEncoding}`,
    rangeOf(minLength, maxLength, 'characters'),
    rangeOf(minimum, maximum, ''),
    rangeOf(minItems, maxItems, 'elements'),
    rangeOf(minProperties, undefined, 'fields'),
  ].join('');
}

function rangeOf(least: number | undefined, most: number | undefined, unit: string): string {
  if (least === undefined && most === undefined) return '';
  if (most === undefined) return least === 1 ? ', not empty' : `, at least ${least ?? 0} ${unit}`;
  return least === undefined ? `, at most ${most} ${unit}` : `, ${least} to ${most} ${unit}`;
}
