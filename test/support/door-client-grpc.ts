/** The gRPC door as a client. An answer that is none of the door's is thrown. */
import { status as Status } from '@grpc/grpc-js';
import { readFile } from 'node:fs/promises';
import type { ErrorCode } from '../../src/core/errors';
import { GRPC_STATUS } from '../../src/doors/grpc/call-status';
import { type GrpcDoor, type GrpcDoorOptions, openGrpcDoor } from '../../src/doors/grpc/open-grpc-door';
import { type Certificate, makeCertificate } from './certificate';
import { makeFolder, removeFolder } from './child';
import type { Answer, CallOptions, DoorForm, DoorValue } from './door-client';
import { type HttpDoor, type HttpDoorOptions, openHttpDoor } from './http-door';
import { bearer, type GrpcAddress, type GrpcAnswer, GrpcClient } from './grpc-client';
import { stopAfterTests } from './leftovers';

const MAX_CONNECTIONS = 1000;
/** The tests of a stop have their own. */
const DRAIN_MS = 10;

export interface GrpcService extends HttpDoor {
  readonly grpc: GrpcAddress & { readonly door: GrpcDoor; readonly certificate: Certificate };
}

/** A service with its HTTP door and its gRPC door open. */
export async function openGrpcDoorService(
  options: HttpDoorOptions = {},
  grpc: Partial<GrpcDoorOptions> = {},
): Promise<GrpcService> {
  const service = await openHttpDoor(options);
  const { observerFor, ...parts } = service.parts;
  const folder = await makeFolder();
  const certificate = await makeCertificate(folder);
  const door = await openGrpcDoor({
    ...parts,
    ...certificate,
    clientCaFile: undefined,
    host: '127.0.0.1',
    port: 0,
    maxConnections: MAX_CONNECTIONS,
    observer: observerFor('grpc'),
    ...grpc,
    times: { drainMs: DRAIN_MS, ...grpc.times },
  });
  const close = stopAfterTests(async () => {
    await door.close();
    await service.close();
    await removeFolder(folder);
  });
  const ca = await readFile(certificate.certFile);
  return { ...service, grpc: { door, certificate, port: door.port, ca }, close };
}

export const GRPC: DoorForm = {
  name: 'gRPC',
  lacks: [],
  connect({ grpc }, token) {
    const fields = token === undefined ? {} : bearer(token);
    const client = grpc && new GrpcClient(grpc);
    if (client !== undefined) {
      stopAfterTests(() => {
        client.close();
        return Promise.resolve();
      });
    }
    const call = (method: string, request: object, { session }: CallOptions): Promise<GrpcAnswer> => {
      if (client === undefined) throw new Error('this service has no gRPC door');
      return client.call(method, request, {
        ...fields,
        ...(session === undefined ? {} : { 'ringcache-session': session }),
      });
    };
    return {
      async put(key, value, options = {}) {
        const ttl = options.ttlSeconds === undefined ? {} : { ttl: options.ttlSeconds };
        const answer = await call('Set', { key, value: valueMessage(value), ...ttl }, options);
        return toAnswer(answer, (reply) => (reply.status === 'SUCCESS' ? { outcome: 'done' } : undefined));
      },
      async get(key, options = {}) {
        return toAnswer(await call('Get', { key }, options), (reply) => {
          if (reply.status === 'NOT_FOUND') return { outcome: 'missed' };
          const isNear = reply.source === 'NEAR';
          return { outcome: 'found', value: valueIn(reply.value), isNear };
        });
      },
      async remove(key, options = {}) {
        const outcomes = { SUCCESS: { outcome: 'done' }, NOT_FOUND: { outcome: 'missed' } } as const;
        return toAnswer(
          await call('Delete', { key }, options),
          (reply) => outcomes[reply.status as keyof typeof outcomes],
        );
      },
    };
  },
};

type Outcome = Answer extends infer Each ? (Each extends Answer ? Omit<Each, 'session'> : never) : never;

/** What the reply says where the status is OK; all others must be failures, with the metadata that those have. */
function toAnswer(
  { reply, status, trailing }: GrpcAnswer,
  outcomeOf: (reply: GrpcAnswer['reply']) => Outcome | undefined,
): Answer {
  const outcome = status.code === Status.OK ? outcomeOf(reply) : failureIn(status, trailing);
  if (outcome === undefined) throw new Error(`not an answer of this door: ${status.code} ${status.details}`);
  const session = trailing['ringcache-session'];
  return { ...outcome, session: typeof session === 'string' ? session : undefined };
}

function failureIn(status: GrpcAnswer['status'], trailing: GrpcAnswer['trailing']): Outcome | undefined {
  const code = trailing['ringcache-code'] as ErrorCode;
  const isWhole = GRPC_STATUS[code] === status.code && typeof trailing['ringcache-request-id'] === 'string';
  return isWhole ? { outcome: 'failed', code, message: status.details } : undefined;
}

/** Bytes that are text go as either. */
function valueMessage(value: DoorValue): object {
  return Buffer.isBuffer(value) ? { data: value } : { json: JSON.stringify(value.json) };
}

function valueIn({ kind, text, data, json }: GrpcAnswer['reply']): DoorValue {
  switch (kind) {
    case 'text':
      return Buffer.from(text);
    case 'data':
      return data;
    case 'json':
      return { json: JSON.parse(json) };
    default:
      throw new Error('the answer has no value');
  }
}
