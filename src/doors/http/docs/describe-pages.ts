/** The description itself, its page, and the files of the console, described. */
import { failures } from './failures';
import type { Content, Operation, Paths, Response } from './open-api';
import { IF_NONE_MATCH_OF_PAGE, OPEN_TO_ALL, PAGE_ETAG_OUT } from './shared-parts';

const ANY_FILE: Content = Object.fromEntries(
  ['text/css', 'text/javascript', 'image/svg+xml'].map((type) => [type, { schema: { type: 'string' } }]),
);

export function describePages(): Paths {
  return {
    '/openapi.json': {
      get: page('getDescription', 'This description', {
        'application/json': { schema: { type: 'object', additionalProperties: true } },
      }),
    },
    '/docs': {
      get: page('getDocs', 'This description as a page', { 'text/html': { schema: { type: 'string' } } }),
    },
    '/docs/docs.css': {
      get: page('getDocsStyle', 'The stylesheet of that page', {
        'text/css': { schema: { type: 'string' } },
      }),
    },
    '/console/{file}': {
      get: {
        ...page('getConsoleFile', 'A file that the console asks for', ANY_FILE, failures('not_found')),
        parameters: [
          IF_NONE_MATCH_OF_PAGE,
          {
            name: 'file',
            in: 'path',
            required: true,
            description: 'Its name.',
            schema: { type: 'string', minLength: 1 },
            example: 'console.css',
          },
        ],
      },
    },
  };
}

/** Something that is the same for everybody. */
function page(operationId: string, summary: string, content: Content, fails = failures()): Operation {
  const headers: Response['headers'] = { ETag: { ...PAGE_ETAG_OUT, required: true } };
  return {
    operationId,
    tags: ['Pages'],
    summary,
    security: OPEN_TO_ALL,
    parameters: [IF_NONE_MATCH_OF_PAGE],
    responses: {
      '200': { description: 'It.', headers, content },
      '304': { description: 'The caller has it: `If-None-Match` names it.', headers },
      ...fails,
    },
  };
}
