/**
 * Who may do what: scopes and key prefixes, checked in the core, once, on raw bytes, so that every door obeys.
 * Deny by default.
 */
import type { Key } from './command';

export const SCOPES = ['read', 'write', 'delete', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Rights of one caller: a key is granted when any prefix fits it; no prefixes at all: every key. */
export class Grants {
  readonly scopes: readonly Scope[];
  readonly #read: boolean;
  readonly #write: boolean;
  readonly #delete: boolean;
  readonly #admin: boolean;

  constructor(
    scopes: readonly Scope[],
    readonly prefixes: readonly Key[],
  ) {
    this.scopes = SCOPES.filter((scope) => scopes.includes(scope));
    this.#read = scopes.includes('read');
    this.#write = scopes.includes('write');
    this.#delete = scopes.includes('delete');
    this.#admin = scopes.includes('admin');
  }

  has(scope: Scope): boolean {
    switch (scope) {
      case 'read':
        return this.#read;
      case 'write':
        return this.#write;
      case 'delete':
        return this.#delete;
      case 'admin':
        return this.#admin;
    }
  }

  covers(key: Key): boolean {
    if (this.prefixes.length === 0) return true;
    for (const prefix of this.prefixes) if (key.startsWith(prefix)) return true;
    return false;
  }
}

/** An authenticated caller. `name` is for logs and people, `id` is unique for ever. */
export interface Principal {
  readonly id: string;
  readonly name: string;
  readonly grants: Grants;
}
