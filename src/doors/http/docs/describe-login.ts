/** `POST /login`, described. */
import { LOGIN_BODY_BYTES_MAX } from '../login/login-route';
import { failures } from './failures';
import { jsonAnswer, jsonBody, objectOf, type Paths } from './open-api';
import { OPEN_TO_ALL } from './shared-parts';

export function describeLogin(): Paths {
  return {
    '/login': {
      post: {
        operationId: 'login',
        tags: ['Login'],
        summary: 'An API key for a bearer token',
        description: `Fields beside \`api_key\` are ignored. The body is at most ${LOGIN_BODY_BYTES_MAX} bytes long.`,
        security: OPEN_TO_ALL,
        requestBody: jsonBody(
          {
            type: 'object',
            properties: { api_key: { type: 'string', minLength: 1 } },
            required: ['api_key'],
            additionalProperties: true,
          },
          { login: { summary: 'Log in', value: { api_key: '$API_KEY' } } },
        ),
        responses: {
          '200': jsonAnswer(
            'The token.',
            objectOf({
              access_token: { type: 'string', description: 'For `Authorization: Bearer …`.' },
              token_type: { const: 'Bearer' },
              expires_in: { type: 'integer', minimum: 1, description: 'Seconds.' },
              scope: { type: 'string', description: 'The rights, divided by spaces.' },
            }),
          ),
          ...failures('unauthenticated', 'unsupported_media_type', 'throttled'),
        },
      },
    },
  };
}
