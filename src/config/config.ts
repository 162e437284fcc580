/**
 * The settings as one read-only tree: what `env.ts` parses and what `start.ts` composes from. Only `start.ts` sees
 * the whole of it; each part is handed to the one who needs it.
 */
import type { CoherenceConfig } from '../coherence/coherence';
import type { Limits } from '../core/limits';
import type { EngineConfig } from '../engines/open-engine';
import type { LogLevel } from '../telemetry/log';

export interface Config {
  /** Processes that share the ports; `auto`: one per core. */
  readonly workers: number | 'auto';
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly certFile: string;
    readonly keyFile: string;
    readonly clientCaFile: string | undefined;
    readonly maxConnections: number;
    readonly maxInFlight: number;
    /** Empty: no page of another origin may call. */
    readonly corsOrigins: readonly string[];
  };
  /** Plain requests take the short ways; their answers are the same without. */
  readonly fastPath: boolean;
  /** undefined: the door is closed. */
  readonly resp: { readonly port: number; readonly tls: boolean } | undefined;
  /** undefined: the door is closed. */
  readonly grpc: { readonly port: number } | undefined;
  readonly tokens: {
    readonly secret: string;
    readonly previousSecret: string | undefined;
    readonly ttlSeconds: number;
  };
  readonly apiKey: string | undefined;
  readonly clientsFile: string;
  readonly engine: EngineConfig;
  readonly near: { readonly entries: number; readonly bytes: number; readonly ttlMs: number };
  readonly coherence: CoherenceConfig;
  readonly encryption: {
    /** Empty: no encryption. The first encrypts, all decrypt; 32 bytes each. */
    readonly keys: readonly { readonly id: string; readonly bytes: Buffer }[];
    /** For writes that do not say. */
    readonly byDefault: boolean;
  };
  /** undefined: nothing is saved. */
  readonly snapshot: { readonly file: string; readonly intervalMs: number } | undefined;
  readonly defaultTtlMs: number;
  /** What can be set of the limits. */
  readonly limits: Omit<Limits, 'depthMax'>;
  readonly logLevel: LogLevel;
}
