/**
 * The description of this door (OpenAPI 3.1), put together from its parts. What the program knows in one place stands
 * here from that place: limits, codes, statuses. A test walks the routes and sends requests made from the
 * description, so that neither can change alone.
 */
import type { Limits } from '../../../core/limits';
import { commandSchemas, describeCommands } from './describe-commands';
import { describeCompat } from './describe-compat';
import { describeLogin } from './describe-login';
import { describeOps } from './describe-ops';
import { describePages } from './describe-pages';
import { describeRest, restSchemas } from './describe-rest';
import { failureResponses } from './failures';
import type { OpenApi, PathItem, Paths, Tag } from './open-api';
import { sharedSchemas } from './shared-parts';

const ABOUT = [
  'An authenticated, distributed cache over HTTPS. `POST /login` turns an API key into a bearer token; every route that ' +
    'reads or changes a value asks for one.',
  'A failing answer is JSON with `status` `ERROR`, a `code` of a closed list, a `message` and a `request_id`. A path that is ' +
    'not here is 404 `not_found`, one that does not percent-decode to UTF-8 is 400; another method is 405 ' +
    '`method_not_allowed`, with those that there are in `Allow`. A GET, HEAD or DELETE with a body is 400.',
  'Where an operation has no parameters in the query, the query is ignored, and so it is at `GET /` without a `key`; ' +
    'everywhere else a parameter that is not described is 400.',
  'Fields may be added to answers. Answers are `Cache-Control: no-store` but for the pages. Where the deployment lets pages ' +
    'of other origins call, OPTIONS is answered 204 to their browsers, and answers carry `Vary: Origin`.',
];

const TAGS: readonly Tag[] = [
  { name: 'Login', description: 'Where a token comes from.' },
  { name: 'Commands', description: 'READ, WRITE and DELETE, alone or many in one request.' },
  { name: 'REST', description: 'One key, one address; conditions by entity tags.' },
  { name: 'Other forms', description: 'The same values in the forms of earlier systems.' },
  { name: 'Operations', description: 'For operators and their machines.' },
  { name: 'Pages', description: 'The same for everybody, and open to all.' },
];

/** With the limits of this deployment in it. */
export function createOpenApi(limits: Limits): OpenApi {
  return {
    openapi: '3.1.1',
    info: {
      title: 'ringcache',
      version: '1.0.0',
      description: ABOUT.join('\n\n'),
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: TAGS,
    paths: withHeads({
      ...describeLogin(),
      ...describeCommands(limits),
      ...describeRest(limits),
      ...describeCompat(limits),
      ...describeOps(),
      ...describePages(),
    }),
    components: {
      schemas: { ...commandSchemas(), ...restSchemas(), ...sharedSchemas(limits) },
      responses: failureResponses(),
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description:
            'The `access_token` of `POST /login`. The names beside it are the scopes that its client must have.',
        },
      },
    },
  };
}

/** Every GET has its HEAD (`app.ts`): the same answer, content type and all, but for the body. */
function withHeads(paths: Paths): Paths {
  return Object.fromEntries(Object.entries(paths).map(([path, item]) => [path, withHead(item)]));
}

function withHead({ get, ...others }: PathItem): PathItem {
  if (get === undefined) return others;
  const { description = '' } = get;
  const head = {
    ...get,
    operationId: `${get.operationId}Head`,
    description: `As GET, without the body. ${description}`.trimEnd(),
  };
  return { get, head, ...others };
}
