/**
 * The settings as one read-only tree: what `env.ts` parses and what `start.ts` composes from. Only `start.ts` sees
 * the whole of it; each part is handed to the one who needs it.
 */
import type { Limits } from '../core/limits';

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

export interface ShardConfig {
  /** The name that stands on the ring, so that a node can move without moving keys. */
  readonly name: string;
  readonly master: NodeAddress;
  readonly replicas: readonly NodeAddress[];
}

export type RingHash = 'ketama' | 'twemproxy';
export type ReadFrom = 'replica' | 'master';

export type EngineConfig =
  | { readonly kind: 'memory' }
  | {
      readonly kind: 'ring';
      readonly shards: readonly ShardConfig[];
      readonly hash: RingHash;
      readonly readFrom: ReadFrom;
    };

export interface Config {
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly certFile: string;
    readonly keyFile: string;
    readonly clientCaFile: string | undefined;
    readonly maxConnections: number;
    readonly maxInFlight: number;
  };
  readonly tokens: {
    readonly secret: string;
    readonly previousSecret: string | undefined;
    readonly ttlSeconds: number;
  };
  readonly apiKey: string | undefined;
  readonly clientsFile: string;
  readonly engine: EngineConfig;
  readonly near: { readonly entries: number; readonly bytes: number; readonly ttlMs: number };
  readonly coherence: 'none';
  readonly encryption: {
    /** Empty: no encryption. The first encrypts, all decrypt; 32 bytes each. */
    readonly keys: readonly { readonly id: string; readonly bytes: Buffer }[];
    /** For writes that do not say. */
    readonly byDefault: boolean;
  };
  readonly defaultTtlMs: number;
  readonly limits: Limits;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
}
