/** Requests as generated from the description, sent as they are: no client in between that mends or refuses them. */
import { request as sendRequest } from 'node:https';
import type { DoorAddress } from './door-client';

export interface Asked {
  readonly method: string;
  /** Path and query, percent-encoded. */
  readonly target: string;
  /** A name may be there more than once. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer | undefined;
}

export interface Answered {
  readonly status: number;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface OpenApiClient {
  send(asked: Asked): Promise<Answered>;
}

const ANSWER_MS = 5000;

/** Talks to the door over the connections that are kept. */
export function openApiClient({ port, agent }: DoorAddress): OpenApiClient {
  return {
    send: ({ method, target, headers, body }) =>
      new Promise((resolve, reject) => {
        // The flat form keeps what is there twice.
        const fields = [
          ...[...headers, ['Host', 'localhost']].flat(),
          ...(body === undefined ? [] : ['Content-Length', String(body.length)]),
        ];
        const options = { host: '127.0.0.1', port, agent, method, path: target, timeout: ANSWER_MS };
        const sent = sendRequest({ ...options, headers: fields }, (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () =>
            resolve({
              status: answer.statusCode ?? 0,
              headers: answer.headers,
              body: Buffer.concat(chunks),
            }),
          );
        });
        sent.on('timeout', () => sent.destroy(new Error(`no answer to ${method} ${target}`)));
        sent.on('error', reject);
        sent.end(body);
      }),
  };
}
