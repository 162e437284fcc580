/**
 * `GET /docs`: the description as a page for people, made on the server, once. A renderer of our own, since the usual
 * ones need scripts or styles that stand inline, and mostly a third party's host: our policy for content allows
 * neither.
 */
import { curlLines } from './curl-line';
import { type Html, html, prose } from './html';
import {
  type Header,
  type MediaType,
  METHODS,
  type OpenApi,
  type Operation,
  type Parameter,
  resolved,
  type Response,
} from './open-api';
import { schemaHtml } from './schema-html';

/** `stylesheet`: where it is, seen from the page. */
export function renderDocsPage(document: OpenApi, stylesheet: string): string {
  const { info, tags, components } = document;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${info.title}</title>
        <link rel="stylesheet" href="${stylesheet}" />
      </head>
      <body>
        <a class="skip" href="#main">To the operations</a>
        <nav aria-label="Contents">
          <p class="name"><a href="#top">${info.title}</a></p>
          ${tags.map((tag) => contentsHtml(document, tag.name))}
          <p><a href="#failures">Failures</a></p>
          <p><a href="#schemas">Schemas</a></p>
        </nav>
        <main id="main">
          <header id="top">
            <h1>${info.title}</h1>
            ${info.description.split('\n\n').map((paragraph) => html`<p>${prose(paragraph)}</p>`)}
            <p>For programs: <a href="openapi.json">openapi.json</a> (OpenAPI ${document.openapi}).</p>
          </header>
          ${tags.map(
            (tag) =>
              html`<section aria-labelledby="${anchorOf(tag.name)}">
                <h2 id="${anchorOf(tag.name)}">${tag.name}</h2>
                <p>${prose(tag.description)}</p>
                ${operationsOf(document, tag.name).map((each) => operationHtml(document, each))}
              </section>`,
          )}
          <section aria-labelledby="failures">
            <h2 id="failures">Failures</h2>
            ${Object.entries(components.responses).map(
              ([name, response]) =>
                html`<h3 id="failure-${name}">${failureTitle(name)}</h3>
                  ${responseHtml(response)}`,
            )}
          </section>
          <section aria-labelledby="schemas">
            <h2 id="schemas">Schemas</h2>
            ${Object.entries(components.schemas).map(
              ([name, schema]) =>
                html`<h3 id="schema-${name}">${name}</h3>
                  ${schemaHtml(schema)}`,
            )}
          </section>
        </main>
      </body>
    </html>`;
  // Indentation is the source's; in `pre` it would be the reader's, and there it comes from parts only.
  return `${page.markup.replace(/^ +(?=<)/gm, '')}\n`;
}

interface Described {
  readonly path: string;
  readonly method: string;
  readonly operation: Operation;
}

/** HEAD is told with its GET. */
function operationsOf({ paths }: OpenApi, tag: string): readonly Described[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = method === 'head' ? undefined : item[method];
      return operation === undefined || operation.tags[0] !== tag ? [] : [{ path, method, operation }];
    }),
  );
}

function contentsHtml(document: OpenApi, tag: string): Html {
  const links = operationsOf(document, tag).map(
    ({ path, method, operation }) =>
      html`<li>
        <a href="#${operation.operationId}"
          ><span class="method ${method}">${method}</span> <code>${path}</code></a
        >
      </li>`,
  );
  return html`<p><a href="#${anchorOf(tag)}">${tag}</a></p>
    <ul>
      ${links}
    </ul>`;
}

function operationHtml(document: OpenApi, { path, method, operation }: Described): Html {
  const { operationId, summary, description, parameters = [], requestBody, responses, security } = operation;
  return html`<article id="${operationId}">
    <h3>
      <a href="#${operationId}"><span class="method ${method}">${method}</span> <code>${path}</code></a>
    </h3>
    <p class="summary">${prose(summary)}</p>
    ${description === undefined ? undefined : html`<p>${prose(description)}</p>`}
    <p class="rights">
      ${rightsHtml(security)}${method === 'get' ? ' HEAD is answered the same, without the body.' : undefined}
    </p>
    ${parameters.length === 0 ? undefined : parametersHtml(parameters)}
    ${
      requestBody === undefined
        ? undefined
        : html`<h4>Body</h4>
            ${requestBody.description === undefined ? undefined : html`<p>${prose(requestBody.description)}</p>`}
            ${Object.entries(requestBody.content).map(([type, media]) => mediaHtml(type, media))}`
    }
    <h4>Try it</h4>
    ${curlLines(path, method, operation).map((line) => html`<pre tabindex="0"><code>${line}</code></pre>`)}
    <h4>Answers</h4>
    ${Object.entries(responses).map(([status, response]) =>
      '$ref' in response
        ? failureLinkHtml(status, response.$ref, resolved(document, response))
        : answerHtml(status, response),
    )}
  </article>`;
}

function rightsHtml(security: Operation['security']): Html {
  if (security.length === 0) return html`Open to all.`;
  const scopes = security.flatMap(({ bearer = [] }) => bearer);
  const token = html`a bearer
  token${scopes.length === 0 ? undefined : html` with ${scopes.map((scope) => html` <code>${scope}</code>`)}`}`;
  return security.some(({ bearer }) => bearer === undefined)
    ? html`Takes ${token}; answers without a token too.`
    : html`Needs ${token}.`;
}

function parametersHtml(parameters: readonly Parameter[]): Html {
  return html`<h4>Parameters</h4>
    <dl class="parameters">
      ${parameters.map(
        (parameter) =>
          html`<dt>
              <code>${parameter.name}</code> <span class="place">${parameter.in}</span>${
                parameter.required === true ? undefined : html` <span class="optional">optional</span>`
              }
            </dt>
            <dd>
              <p>${prose(parameter.description)}</p>
              ${schemaHtml(parameter.schema)}
            </dd>`,
      )}
    </dl>`;
}

function answerHtml(status: string, response: Response): Html {
  const kind = status.startsWith('2') ? 'good' : status.startsWith('3') ? 'same' : 'bad';
  return html`<details>
    <summary><span class="status ${kind}">${status}</span> ${prose(response.description)}</summary>
    ${responseHtml({ ...response, description: '' })}
  </details>`;
}

function responseHtml({ description, headers = {}, content = {} }: Response): Html {
  return html`${description === '' ? undefined : html`<p>${prose(description)}</p>`}
  ${Object.entries(headers).map(([name, header]) => headerHtml(name, header))}
  ${Object.entries(content).map(([type, media]) => mediaHtml(type, media))}
  ${Object.keys(content).length === 0 ? html`<p>No body.</p>` : undefined}`;
}

/** What many operations have in common is told once. */
function failureLinkHtml(status: string, $ref: string, { description }: Response): Html {
  const name = $ref.replace('#/components/responses/', '');
  return html`<p class="failure">
    <span class="status bad">${status}</span>
    <a href="#failure-${name}">${failureTitle(name)}</a>
    <span class="optional">${prose(description)}</span>
  </p>`;
}

function headerHtml(name: string, { description, required, schema }: Header): Html {
  return html`<p>
      <code>${name}</code> <span class="place">header</span>${
        required === true ? undefined : html` <span class="optional">optional</span>`
      }
    </p>
    <p>${prose(description)}</p>
    ${schemaHtml(schema)}`;
}

function mediaHtml(type: string, { schema }: MediaType): Html {
  // Bytes have no schema but what is said of them.
  const isBytes = schema.type === undefined && schema.description !== undefined && schema.oneOf === undefined;
  return html`<p><code>${type}</code></p>
    ${isBytes ? html`<p>${prose(schema.description ?? '')}</p>` : schemaHtml(schema)}`;
}

/** Of a component, in words. */
function failureTitle(name: string): string {
  return name.replaceAll('_or_', ' or ').replace('_with_session', ', with the session');
}

function anchorOf(tag: string): string {
  return `tag-${tag.toLowerCase().replaceAll(' ', '-')}`;
}
