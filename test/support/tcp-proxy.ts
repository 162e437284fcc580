/**
 * A TCP proxy that breaks links on purpose: between a gateway and a Redis, or between a replica and its master.
 * `up` is what the client sends to the target, `down` what the target sends to the client.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { stopAfterTests } from './leftovers';

export type Direction = 'up' | 'down';

/** What tells one link from another. */
export interface ProxiedLink {
  readonly clientHost: string;
  readonly clientPort: number;
  /** `host:port` of the proxy's end, as `CLIENT LIST` of the target has it in `addr`; empty until connected. */
  readonly addressAtTarget: string;
}

export type LinkFilter = (link: ProxiedLink) => boolean;

export interface LinkFaults {
  /** Holds bytes back; connections stay open, nothing is lost. Without a direction: both. */
  pause(direction?: Direction): void;
  /**
   * Loses bytes; connections stay open, and their ends are kept from each other too, as on a half-open link. What
   * was lost stays lost after `resume`.
   */
  swallow(direction?: Direction): void;
  /** Ends all but `cut`: held bytes are delivered, links whose one end has gone are closed. */
  resume(): void;
  /** Delivers each byte this much later, both ways. */
  delay(ms: number): void;
  /** Delivers no more than this of each link, drop by drop; without a direction, both ways. */
  trickle(bytesPerSecond: number, direction?: Direction): void;
  /** Resets all connections, and each new one at once, until `heal`. */
  cut(): void;
  heal(): void;
}

export interface TcpProxy extends LinkFaults {
  readonly host: string;
  readonly port: number;
  /**
   * The same faults for some links, now and later, on top of those for all: a link is cut if any cuts it. A link is
   * known by `addressAtTarget` only once it is connected, so a cut by that cannot keep new ones out.
   */
  only(filter: LinkFilter): LinkFaults;
  /** How many are open. */
  connections(filter?: LinkFilter): number;
  /** Resets those there are; new ones are served. */
  killConnections(filter?: LinkFilter): void;
  close(): Promise<void>;
}

type Mode = 'pass' | 'pause' | 'swallow';

/** The faults of some links. */
interface Scope {
  readonly filter: LinkFilter;
  readonly modes: Record<Direction, Mode>;
  readonly bytesPerSecond: Record<Direction, number>;
  delayMs: number;
  isCut: boolean;
}

interface Link extends ProxiedLink {
  readonly ends: readonly [Socket, Socket];
  /** Lets bytes flow that the proxy's present faults allow. */
  refresh(): void;
}

/** A trickling link delivers this often, or byte by byte if that is more seldom. */
const DROP_MS = 20;

export async function startTcpProxy(target: {
  readonly host: string;
  readonly port: number;
}): Promise<TcpProxy> {
  const scopes: Scope[] = [];
  const links = new Set<Link>();

  function scopesOf(link: ProxiedLink): Scope[] {
    return scopes.filter(({ filter }) => filter(link));
  }
  function modeOf(link: ProxiedLink, direction: Direction): Mode {
    const modes = scopesOf(link).map((scope) => scope.modes[direction]);
    return modes.find((mode) => mode === 'swallow') ?? modes.find((mode) => mode === 'pause') ?? 'pass';
  }
  function rateOf(link: ProxiedLink, direction: Direction): number {
    return Math.min(...scopesOf(link).map((scope) => scope.bytesPerSecond[direction]));
  }

  /** One direction of one link. Answers a function that starts or stops reading as the faults say. */
  function relay(link: ProxiedLink, from: Socket, to: Socket, direction: Direction): () => void {
    // Bytes on their way. Timers only say when the next in line goes, so a changed delay cannot reorder them.
    const delayed: Buffer[] = [];
    // What waits to trickle. Nothing is read behind it, so that the sender feels it.
    let trickling: Buffer = Buffer.alloc(0);
    let nextDrop: NodeJS.Timeout | undefined;
    let full = false;
    let ended = false;

    function refresh(): void {
      const mode = modeOf(link, direction);
      const rate = rateOf(link, direction);
      if (trickling.length > 0 && mode !== 'pause') {
        if (rate === Infinity) drip(trickling.length);
        else {
          const bytes = Math.max(1, Math.round((rate * DROP_MS) / 1000));
          nextDrop ??= setTimeout(
            () => {
              nextDrop = undefined;
              if (modeOf(link, direction) !== 'pause') drip(bytes);
              refresh();
            },
            (bytes / rate) * 1000,
          );
        }
      }
      if (mode === 'pause' || full || trickling.length > 0) from.pause();
      else if (ended && mode === 'pass') to.destroy();
      else from.resume();
    }
    function drip(bytes: number): void {
      write(trickling.subarray(0, bytes));
      trickling = trickling.subarray(bytes);
    }
    function write(bytes: Buffer): void {
      if (to.destroyed || to.write(bytes) || full) return;
      full = true;
      to.once('drain', () => {
        full = false;
        refresh();
      });
    }
    function deliver(bytes: Buffer): void {
      if (trickling.length === 0 && rateOf(link, direction) === Infinity) write(bytes);
      else trickling = Buffer.concat([trickling, bytes]);
      if (full || trickling.length > 0) refresh();
    }
    from.on('data', (bytes: Buffer) => {
      if (modeOf(link, direction) === 'swallow') return;
      const delayMs = Math.max(...scopesOf(link).map((scope) => scope.delayMs));
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
      ended = true;
      if (modeOf(link, direction) === 'pass' && trickling.length === 0) to.destroy();
    });
    to.on('close', () => {
      trickling = Buffer.alloc(0);
      clearTimeout(nextDrop);
    });
    return refresh;
  }

  const server = createServer((client) => {
    const { remoteAddress: clientHost = '', remotePort: clientPort = 0 } = client;
    const isCut = scopesOf({ clientHost, clientPort, addressAtTarget: '' }).some((scope) => scope.isCut);
    if (isCut) {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(target).setNoDelay();
    client.setNoDelay();
    // Sockets forget their addresses when they close, and a half-open link must still be known.
    let addressAtTarget = '';
    const link: Link = {
      clientHost,
      clientPort,
      get addressAtTarget() {
        return addressAtTarget;
      },
      ends: [client, upstream],
      refresh: () => {
        refreshUp();
        refreshDown();
      },
    };
    const refreshUp = relay(link, client, upstream, 'up');
    const refreshDown = relay(link, upstream, client, 'down');
    links.add(link);
    const forget = (): void => {
      if (client.destroyed && upstream.destroyed) links.delete(link);
    };
    client.on('close', forget);
    upstream.on('close', forget);
    upstream.on('connect', () => {
      addressAtTarget = `${upstream.localAddress}:${upstream.localPort}`;
      link.refresh();
    });
    link.refresh();
  });

  function matching(filter: LinkFilter): Link[] {
    return [...links].filter(filter);
  }
  function reset({ ends }: Link): void {
    for (const end of ends) end.resetAndDestroy();
  }

  function openFaults(filter: LinkFilter): LinkFaults {
    const scope: Scope = {
      filter,
      modes: { up: 'pass', down: 'pass' },
      bytesPerSecond: { up: Infinity, down: Infinity },
      delayMs: 0,
      isCut: false,
    };
    scopes.push(scope);
    const refresh = (): void => {
      for (const link of matching(filter)) link.refresh();
    };
    const setMode = (mode: Mode, direction?: Direction): void => {
      if (direction !== 'down') scope.modes.up = mode;
      if (direction !== 'up') scope.modes.down = mode;
      refresh();
    };
    const setRate = (bytesPerSecond: number, direction?: Direction): void => {
      if (direction !== 'down') scope.bytesPerSecond.up = bytesPerSecond;
      if (direction !== 'up') scope.bytesPerSecond.down = bytesPerSecond;
      refresh();
    };
    return {
      pause: (direction) => setMode('pause', direction),
      swallow: (direction) => setMode('swallow', direction),
      resume: () => {
        scope.delayMs = 0;
        setRate(Infinity);
        setMode('pass');
        for (const { ends } of matching(filter)) {
          if (ends.some((end) => end.destroyed)) for (const end of ends) end.destroy();
        }
      },
      delay: (ms) => {
        scope.delayMs = ms;
      },
      trickle: setRate,
      cut: () => {
        scope.isCut = true;
        matching(filter).forEach(reset);
      },
      heal: () => {
        scope.isCut = false;
      },
    };
  }

  const everyLink: LinkFilter = () => true;
  const faults = openFaults(everyLink);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    ...faults,
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    only: openFaults,
    connections: (filter = everyLink) => matching(filter).length,
    killConnections: (filter = everyLink) => matching(filter).forEach(reset),
    close: stopAfterTests(async () => {
      faults.cut();
      server.close();
      await once(server, 'close');
    }),
  };
}
