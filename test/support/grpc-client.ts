/** A client of the gRPC door that shows everything that an answer has: message, status, metadata in front and behind. */
import {
  type CallOptions,
  type ChannelOptions,
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceDefinition,
  type StatusObject,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import path from 'node:path';

const PROTO_FILE = path.join(__dirname, '../../src/doors/grpc/ringcache.proto');
export const CACHE_SERVICE = loadSync(PROTO_FILE, {
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
})['ringcache.v1.Cache'] as unknown as ServiceDefinition;

const REPLY_MS_MAX = 10_000;

export interface GrpcAnswer {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into replies field by field
  readonly reply: any;
  readonly status: StatusObject;
  /** The trailing metadata; of one name, its first value. */
  readonly trailing: Readonly<Record<string, unknown>>;
}

export interface GrpcAddress {
  readonly port: number;
  /** The certificate to trust. */
  readonly ca: Buffer;
}

export type Fields = Readonly<Record<string, string | readonly string[]>>;

export class GrpcClient {
  readonly client: Client;

  constructor(
    { port, ca }: GrpcAddress,
    options: ChannelOptions = {},
    identity?: { key: Buffer; cert: Buffer },
  ) {
    this.client = new Client(
      `127.0.0.1:${port}`,
      credentials.createSsl(ca, identity?.key ?? null, identity?.cert ?? null),
      {
        'grpc.max_receive_message_length': -1,
        // No two clients of one address share a connection.
        'grpc.use_local_subchannel_pool': 1,
        'grpc.ssl_target_name_override': 'localhost',
        ...options,
      },
    );
  }

  /** Never rejects: how it ended is in the status. `method` of another service than ours: its definition. */
  call(
    method: string | ServiceDefinition[string],
    request: object,
    fields: Fields = {},
    options: CallOptions = {},
  ): Promise<GrpcAnswer> {
    const { path: target, requestSerialize, responseDeserialize } = definitionOf(method);
    return new Promise((resolve) => {
      let reply: unknown;
      const call = this.client.makeUnaryRequest(
        target,
        requestSerialize,
        responseDeserialize,
        request,
        metadataOf(fields),
        { deadline: Date.now() + REPLY_MS_MAX, ...options },
        (_error, message) => {
          reply = message;
        },
      );
      call.on('status', (status: StatusObject) => {
        // The message is handed over in the same turn, behind or before the status.
        setImmediate(() => resolve({ reply, status, trailing: status.metadata.getMap() }));
      });
    });
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as `GrpcAnswer`
  watch(keys: readonly string[], fields: Fields = {}, options: CallOptions = {}): ClientReadableStream<any> {
    return this.stream('Watch', { keys }, fields, options);
  }

  stream(
    method: string | ServiceDefinition[string],
    request: object,
    fields: Fields = {},
    options: CallOptions = {},
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as `GrpcAnswer`
  ): ClientReadableStream<any> {
    const { path: target, requestSerialize, responseDeserialize } = definitionOf(method);
    return this.client.makeServerStreamRequest(
      target,
      requestSerialize,
      responseDeserialize,
      request,
      metadataOf(fields),
      options,
    );
  }

  close(): void {
    this.client.close();
  }
}

export function bearer(token: string): Fields {
  return { authorization: `Bearer ${token}` };
}

function metadataOf(fields: Fields): Metadata {
  const metadata = new Metadata();
  for (const [name, values] of Object.entries(fields)) {
    for (const value of [values].flat()) metadata.add(name, value);
  }
  return metadata;
}

function definitionOf(method: string | ServiceDefinition[string]): ServiceDefinition[string] {
  const definition = typeof method === 'string' ? CACHE_SERVICE[method] : method;
  if (definition === undefined) throw new Error('there is no such method');
  return definition;
}
