/**
 * Changes that must reach replicas before they count (`ack`). Redis's WAIT speaks of what its own connection wrote
 * and blocks that connection meanwhile, so these changes have one of their own: nobody else waits behind them.
 */
import type { Redis } from 'ioredis';
import { CacheError } from '../core/errors';
import { withDeadline } from '../lib/deadline';
import { createClient, type NodeAddress } from './client';
import { masterOffset, waitForReplicas, type RedisCommand } from './commands';
import { translateRedisError } from './redis-errors';

/** Kept back from the deadline, so that WAIT's answer arrives before our own patience ends. */
const MARGIN_MS = 50;

export class ConfirmingConnection {
  readonly #address: NodeAddress;
  #client: Redis | undefined;

  /** Connects when first used. */
  constructor(address: NodeAddress) {
    this.#address = address;
  }

  /**
   * Runs the change and waits for `replicas` confirmations. Gives the change's reply and an offset of the
   * replication stream with the change in it.
   * @throws CacheError `unavailable` when too few confirmed in time; the change may stand then.
   */
  async run<T>(
    change: RedisCommand<T>,
    replicas: number,
    waitMs: number,
  ): Promise<{ readonly reply: T; readonly offset: number }> {
    const client = (this.#client ??= this.#open());
    try {
      if (client.status !== 'ready') await withDeadline(ready(client), waitMs, tooFew);
      // Sent in one turn and carried out in this order: without pipelining nothing can part them.
      const sent = Promise.all([
        change(client),
        masterOffset()(client),
        waitForReplicas(replicas, Math.max(1, Math.floor(waitMs - MARGIN_MS)))(client),
      ]);
      const [reply, offset, confirmed] = await withDeadline(sent, waitMs, tooFew);
      if (confirmed < replicas) throw tooFew();
      return { reply, offset };
    } catch (thrown) {
      throw translateRedisError(thrown);
    }
  }

  close(): void {
    this.#client?.disconnect();
  }

  #open(): Redis {
    const client = createClient(this.#address, { pipelining: false });
    // The master's own connection tells the log of its troubles; ioredis throws when nobody listens.
    client.on('error', () => undefined);
    return client;
  }
}

function ready(client: Redis): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (): void => {
      client.off('ready', succeeded);
      reject(tooFew());
    };
    const succeeded = (): void => {
      client.off('close', failed);
      resolve();
    };
    client.once('ready', succeeded);
    client.once('close', failed);
    // A failure arrives as `close` too.
    if (client.status === 'wait') client.connect().catch(() => undefined);
  });
}

function tooFew(): CacheError {
  return new CacheError('unavailable', 'Too few replicas confirmed this in time. The change may stand.');
}
