/** The messages of `ringcache.proto` as the library gives and takes them: all fields by their names in camel case. */

/** Text of an enum; a number where it is none of those that the `.proto` knows. */
type EnumText = string | number;

export interface ValueMessage {
  readonly kind?: 'text' | 'data' | 'json';
  readonly text?: string;
  readonly data?: Buffer;
  readonly json?: string;
}

export interface GetRequest {
  readonly key: string;
  readonly consistency: EnumText;
}

export interface SetRequest {
  readonly key: string;
  readonly value: ValueMessage | null;
  readonly ttl?: number;
  readonly condition: EnumText;
  readonly encrypt?: boolean;
  readonly ack: number;
}

export interface DeleteRequest {
  readonly key: string;
  readonly ack: number;
}

export interface CommandMessage {
  readonly get?: GetRequest;
  readonly set?: SetRequest;
  readonly delete?: DeleteRequest;
}

export interface BatchRequest {
  readonly commands: readonly CommandMessage[];
}

export interface WatchRequest {
  readonly keys: readonly string[];
}

export interface FoundMessage {
  readonly status: 'SUCCESS' | 'NOT_FOUND';
  readonly value?: ValueMessage;
  readonly source?: 'NEAR' | 'REPLICA' | 'MASTER';
}

export interface StatusMessage {
  readonly status: 'SUCCESS' | 'NOT_FOUND' | 'NOT_STORED';
}

export interface CommandReplyMessage {
  readonly get?: FoundMessage;
  readonly set?: StatusMessage;
  readonly delete?: StatusMessage;
  readonly error?: { readonly code: string; readonly message: string };
}

export interface BatchReplyMessage {
  readonly replies: readonly CommandReplyMessage[];
}

export interface WatchEvent extends FoundMessage {
  readonly key: string;
}
