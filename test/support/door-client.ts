/**
 * A door as its caller sees it, in words that belong to no transport: the door contract is written against this, and
 * each form of a door has a client that translates.
 */
import type { Agent } from 'node:https';

/** Bytes (text is its UTF-8), or JSON that is no string. */
export type DoorValue = Buffer | { readonly json: unknown };

export type Answer = (
  | {
      readonly outcome: 'found';
      readonly value: DoorValue;
      /** Whether the near cache had it; undefined where the form does not tell. */
      readonly isNear: boolean | undefined;
    }
  | { readonly outcome: 'missed' | 'done' }
  /** `code`: of the closed list, whatever the transport calls it. */
  | { readonly outcome: 'failed'; readonly code: string; readonly message: string }
) & {
  /** The caller's session as the answer carries it. */
  readonly session: string | undefined;
};

export interface CallOptions {
  /** Empty to begin one; undefined: none is kept. */
  readonly session?: string | undefined;
}

export interface PutOptions extends CallOptions {
  readonly ttlSeconds?: number;
}

/** What a form may lack beside a whole method. `session`: one that the caller can carry to another gateway. */
export type Lack = 'bytes' | 'json' | 'ttl' | 'source' | 'session';

/** The form on behalf of one caller. A method that the form does not have is undefined. */
export interface DoorClient {
  readonly put: ((key: string, value: DoorValue, options?: PutOptions) => Promise<Answer>) | undefined;
  readonly get: (key: string, options?: CallOptions) => Promise<Answer>;
  /** `missed`: there was nothing. */
  readonly remove: ((key: string, options?: CallOptions) => Promise<Answer>) | undefined;
}

/** Where a service can be reached. */
export interface DoorAddress {
  readonly port: number;
  /** Trusts the certificate, and keeps the connections. */
  readonly agent: Agent;
  /** Of the RESP door, where it is open. */
  readonly respPort?: number;
  /** Of the gRPC door, where it is open, and the certificate that it shows. */
  readonly grpc?: { readonly port: number; readonly ca: Buffer };
}

export interface DoorForm {
  readonly name: string;
  readonly lacks: readonly Lack[];
  /** `token` undefined: a caller who shows none. */
  connect(address: DoorAddress, token: string | undefined): DoorClient;
}
