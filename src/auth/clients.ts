/**
 * The named clients as a running gateway knows them: the clients file, followed by polling. Polling and not
 * `fs.watch`, which loses sight of a file that is replaced by rename and is silent on network file systems.
 */
import { promises as fs, type BigIntStats } from 'node:fs';
import { CacheError } from '../core/errors';
import type { Scope } from '../core/grants';
import { keyFromText } from '../core/key';
import type { Key } from '../core/command';
import type { Log } from '../core/ports';
import type { Clock } from '../lib/clock';
import { hashSecret } from './api-key';
import {
  CLIENTS_FILE_BYTES_MAX,
  createClientsFile,
  parseClientsFile,
  type ClientRecord,
  type ClientsFile,
} from './clients-file';
import { LEEWAY_SECONDS } from './tokens';
import { isErrno } from './update-clients-file';

/** A change must hold within a second; this leaves room for a slow disk. */
const POLL_MS = 250;

const ABSENT = 'absent';

/** Somebody who can log in. */
export interface Client {
  /** Unique for ever. */
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** None: every key. */
  readonly prefixes: readonly Key[];
  /** Wall time from which neither its key nor its tokens are good; Infinity: never. */
  readonly expiresAtMs: number;
}

interface NamedClient extends Client {
  readonly secretHash: Buffer;
}

export interface ClientsOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Reads the file and follows it. An absent file is a file without clients; a faulty one is an error now, and later
 * leaves what was known in force, with one line in the log for each change.
 * @throws CacheError `internal` when the file is faulty at the start.
 */
export async function openClients(options: ClientsOptions): Promise<Clients> {
  const clients = new Clients(options);
  try {
    await clients.refresh();
  } catch (error) {
    throw new CacheError('internal', `The clients file ${options.file} is not usable: ${messageOf(error)}`);
  }
  clients.follow();
  return clients;
}

export class Clients {
  readonly #options: ClientsOptions;
  #hashKey = createClientsFile().hash_key;
  #clients: ReadonlyMap<string, NamedClient> = new Map();
  /** Token ids and the second they expire. Only ever added to: no change of the file revives a token. */
  readonly #revoked = new Map<string, number>();
  #generation = 0;
  #signature = '';
  #reportedFault = '';
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: ClientsOptions) {
    this.#options = options;
  }

  /** Grows with every change of clients or revocations: whatever was derived from an older one is void. */
  get generation(): number {
    return this.#generation;
  }

  get(clientId: string): Client | undefined {
    return this.#clients.get(clientId);
  }

  isRevoked(tokenId: string): boolean {
    return this.#revoked.has(tokenId);
  }

  /** Hash of a presented secret, to be compared with `secretHashOf`. */
  hash(secret: string): Buffer {
    return hashSecret(secret, this.#hashKey);
  }

  secretHashOf(clientId: string): Buffer | undefined {
    return this.#clients.get(clientId)?.secretHash;
  }

  /** Takes over the file if it changed. @throws when it cannot be read or understood; then nothing changes. */
  async refresh(): Promise<void> {
    const { file } = this.#options;
    try {
      const stat = await fs.stat(file, { bigint: true });
      const signature = signatureOf(stat);
      if (signature === this.#signature) return;
      if (!stat.isFile() || stat.size > CLIENTS_FILE_BYTES_MAX) {
        throw new CacheError('internal', `it must be a file of at most ${CLIENTS_FILE_BYTES_MAX} bytes`);
      }
      const bytes = await fs.readFile(file);
      // Noted between reading and parsing: a failed read is tried again, faulty content is not parsed twice. The
      // stat is older than the bytes, so a change in between differs from the note and is read again.
      this.#signature = signature;
      this.#take(parseClientsFile(bytes));
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
      if (this.#signature === ABSENT) return;
      this.#signature = ABSENT;
      this.#take(createClientsFile());
    }
  }

  /** Refreshes for ever after, without keeping the process alive. */
  follow(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.refresh()
        .catch((error: unknown) => this.#report(error))
        .finally(() => this.follow());
    }, POLL_MS).unref();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #take(file: ClientsFile): void {
    this.#hashKey = file.hash_key;
    this.#clients = new Map(file.clients.map((record) => [record.id, clientOf(record)]));
    const expiredBefore = this.#options.clock.wallMs() / 1000 - LEEWAY_SECONDS;
    for (const { jti, exp } of file.revoked_tokens) this.#revoked.set(jti, exp);
    for (const [jti, exp] of this.#revoked) if (exp < expiredBefore) this.#revoked.delete(jti);
    this.#generation += 1;
    this.#reportedFault = '';
    this.#options.log.info(
      { file: this.#options.file, clients: this.#clients.size, revokedTokens: this.#revoked.size },
      'clients file taken over',
    );
  }

  /** One line for each change of the file or the fault, not one for each poll. */
  #report(error: unknown): void {
    const fault = messageOf(error);
    const report = `${this.#signature} ${fault}`;
    if (report === this.#reportedFault) return;
    this.#reportedFault = report;
    this.#options.log.error(
      { file: this.#options.file, fault },
      'clients file not usable, the clients known before stay in force',
    );
  }
}

function clientOf(record: ClientRecord): NamedClient {
  return {
    id: record.id,
    name: record.name,
    scopes: record.scopes,
    prefixes: record.prefixes.map(keyFromText),
    expiresAtMs: record.expires === null ? Infinity : Date.parse(record.expires),
    secretHash: Buffer.from(record.hash, 'hex'),
  };
}

/** Differs for any two states of the file: a rename changes the inode, writing in place the times. */
function signatureOf(stat: BigIntStats): string {
  return `${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
