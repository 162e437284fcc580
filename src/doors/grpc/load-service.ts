/** `ringcache.proto` as the library needs it, with a stricter reading of requests (`wire-format.ts`). */
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import path from 'node:path';
import { WireFormat } from './wire-format';

/** Copied beside the compiled file by the build. */
const PROTO_FILE = path.join(__dirname, 'ringcache.proto');
export const SERVICE_NAME = 'ringcache.v1.Cache';

/** What stands in place of a request that cannot be read; the library would call it our own failure (INTERNAL). */
export const UNREADABLE: unique symbol = Symbol('unreadable request');

export interface CacheDefinition {
  readonly definition: PackageDefinition;
  readonly service: ServiceDefinition;
}

export function loadService(): CacheDefinition {
  const definition = loadSync(PROTO_FILE, { longs: Number, enums: String, defaults: true, oneofs: true });
  const wireFormat = new WireFormat(definition);
  const service = definition[SERVICE_NAME] as unknown as ServiceDefinition;
  const methods = Object.entries(service).map(([name, method]) => {
    const read = method.requestDeserialize as (bytes: Buffer) => object;
    const requestDeserialize = (bytes: Buffer): object | typeof UNREADABLE =>
      wireFormat.isMessage(bytes, `${name}Request`) ? read(bytes) : UNREADABLE;
    return [name, { ...method, requestDeserialize }];
  });
  return { definition, service: Object.fromEntries(methods) as ServiceDefinition };
}
