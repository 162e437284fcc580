/** A request of the description as the line that a reader pastes into a shell. */
import type { Operation } from './open-api';

const ORIGIN = 'https://localhost:8000';

/**
 * One line for each example of the body; one where there is none. Parameters are as in their examples. `$AT`: the
 * token.
 */
export function curlLines(path: string, method: string, operation: Operation): readonly string[] {
  const { parameters = [], requestBody, security } = operation;
  let target = path;
  const query: string[] = [];
  const headers: string[] = security.length === 0 ? [] : ['"Authorization: Bearer $AT"'];
  for (const parameter of parameters) {
    if (parameter.in === 'path') {
      target = target.replace(`{${parameter.name}}`, encodeURIComponent(parameter.example ?? parameter.name));
    } else if (parameter.in === 'query' && parameter.example !== undefined) {
      query.push(`${parameter.name}=${encodeURIComponent(parameter.example)}`);
    }
  }
  const asked = query.length === 0 ? target : `${target}?${query.join('&')}`;
  const bodies = Object.entries(requestBody?.content ?? {}).flatMap(([type, { examples = {} }]) =>
    Object.values(examples).map(({ value }) => ({ type, text: bodyText(type, value) })),
  );
  const lineOf = (body: { type: string; text: string } | undefined): string =>
    [
      `curl -sk${method === 'get' ? '' : ` -X ${method.toUpperCase()}`} ${quoted(`${ORIGIN}${asked}`)}`,
      ...headers.map((header) => `-H ${header}`),
      ...(body === undefined
        ? []
        : [`-H ${quoted(`Content-Type: ${body.type}`)}`, `--data-binary ${quoted(body.text)}`]),
    ].join(' \\\n  ');
  return bodies.length === 0 ? [lineOf(undefined)] : bodies.map(lineOf);
}

function bodyText(type: string, value: unknown): string {
  return type === 'application/json' ? JSON.stringify(value) : String(value);
}

/** For a POSIX shell. What begins with `$` within double quotes of JSON is a variable of the reader's shell. */
function quoted(text: string): string {
  if (/^[\w:/.-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", "'\\''").replace(/"(\$\w+)"/g, (_, name: string) => `"'"${name}"'"`)}'`;
}
