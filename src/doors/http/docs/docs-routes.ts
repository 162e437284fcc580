/**
 * `GET /openapi.json`, and `GET /docs` with its stylesheet: made once, open to all, since they tell nothing but what
 * every caller of this deployment has to know.
 */
import type { Limits } from '../../../core/limits';
import { createPage } from '../page';
import type { AddRoutes } from '../routes';
import { createOpenApi } from './create-open-api';
import { renderDocsPage } from './docs-page';
import { DOCS_STYLE } from './docs-style';

/** No script, nothing inline, nothing from elsewhere. */
const POLICY = {
  defaultSrc: ["'none'"],
  styleSrc: ["'self'"],
  baseUri: ["'none'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
};

/** Adds the three routes. */
export function addDocsRoutes(add: AddRoutes, limits: Limits): void {
  const openApi = createOpenApi(limits);
  const page = renderDocsPage(openApi, 'docs/docs.css');
  const publish = (path: string, contentType: string, text: string): void =>
    add(path, { GET: createPage(Buffer.from(text), contentType, POLICY) });
  publish('/openapi.json', 'application/json; charset=utf-8', JSON.stringify(openApi));
  publish('/docs', 'text/html; charset=utf-8', page);
  publish('/docs/docs.css', 'text/css; charset=utf-8', DOCS_STYLE);
}
