/**
 * A TCP proxy that breaks links on purpose: between a gateway and a Redis, or between a replica and its master.
 * `up` is what the client sends to the target, `down` what the target sends to the client.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { stopAfterTests } from './leftovers';

export type Direction = 'up' | 'down';

export interface TcpProxy {
  readonly host: string;
  readonly port: number;
  /** Holds bytes back; connections stay open, nothing is lost. Without a direction: both. */
  pause(direction?: Direction): void;
  /**
   * Loses bytes; connections stay open, and their ends are kept from each other too, as on a half-open link. What
   * was lost stays lost after `resume`.
   */
  swallow(direction?: Direction): void;
  /** Ends `pause`, `swallow` and `delay`: held bytes are delivered, links whose one end has gone are closed. */
  resume(): void;
  /** Delivers each byte this much later, both ways. */
  delay(ms: number): void;
  /** Resets all connections, and each new one at once, until `heal`. */
  cut(): void;
  heal(): void;
  close(): Promise<void>;
}

interface Link {
  readonly ends: readonly [Socket, Socket];
  /** Lets bytes flow that the proxy's present mode allows. */
  refresh(): void;
}

export async function startTcpProxy(target: {
  readonly host: string;
  readonly port: number;
}): Promise<TcpProxy> {
  const modes: Record<Direction, 'pass' | 'pause' | 'swallow'> = { up: 'pass', down: 'pass' };
  let delayMs = 0;
  let isCut = false;
  const links = new Set<Link>();

  /** One direction of one link. Answers a function that starts or stops reading as the mode says. */
  function relay(from: Socket, to: Socket, direction: Direction): () => void {
    // Bytes on their way. Timers only say when the next in line goes, so a changed delay cannot reorder them.
    const delayed: Buffer[] = [];
    let full = false;

    function refresh(): void {
      if (modes[direction] === 'pause' || full) from.pause();
      else from.resume();
    }
    function deliver(bytes: Buffer): void {
      if (to.destroyed || to.write(bytes) || full) return;
      full = true;
      refresh();
      to.once('drain', () => {
        full = false;
        refresh();
      });
    }
    from.on('data', (bytes: Buffer) => {
      if (modes[direction] === 'swallow') return;
      if (delayMs === 0 && delayed.length === 0) {
        deliver(bytes);
        return;
      }
      delayed.push(bytes);
      setTimeout(() => {
        const next = delayed.shift();
        if (next !== undefined) deliver(next);
      }, delayMs);
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      if (modes[direction] === 'pass') to.destroy();
    });
    return refresh;
  }

  const server = createServer((client) => {
    if (isCut) {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(target).setNoDelay();
    client.setNoDelay();
    const refreshUp = relay(client, upstream, 'up');
    const refreshDown = relay(upstream, client, 'down');
    const link: Link = {
      ends: [client, upstream],
      refresh: () => {
        refreshUp();
        refreshDown();
      },
    };
    links.add(link);
    const forget = (): void => {
      if (client.destroyed && upstream.destroyed) links.delete(link);
    };
    client.on('close', forget);
    upstream.on('close', forget);
    link.refresh();
  });

  function setMode(mode: 'pass' | 'pause' | 'swallow', direction: Direction | undefined): void {
    if (direction !== 'down') modes.up = mode;
    if (direction !== 'up') modes.down = mode;
    for (const link of links) link.refresh();
  }

  function resetAll(): void {
    for (const { ends } of links) for (const end of ends) end.resetAndDestroy();
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    pause: (direction) => setMode('pause', direction),
    swallow: (direction) => setMode('swallow', direction),
    resume: () => {
      delayMs = 0;
      setMode('pass', undefined);
      for (const { ends } of links) {
        if (ends.some((end) => end.destroyed)) for (const end of ends) end.destroy();
      }
    },
    delay: (ms) => {
      delayMs = ms;
    },
    cut: () => {
      isCut = true;
      resetAll();
    },
    heal: () => {
      isCut = false;
    },
    close: stopAfterTests(async () => {
      isCut = true;
      resetAll();
      server.close();
      await once(server, 'close');
    }),
  };
}
