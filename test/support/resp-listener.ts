/** The RESP listener in front of a session of the test, over the core and the access that the HTTP door of tests has. */
import { LOCAL_COMMANDS } from '../../src/doors/resp/local/local-commands';
import { type RespListener, type RespListenerOptions, openRespListener } from '../../src/doors/resp/listener';
import { replyToThrown } from '../../src/doors/resp/refusal';
import type { ReplyPlace } from '../../src/doors/resp/reply-line';
import type { RequestHandler } from '../../src/doors/resp/request-handler';
import type { SessionState } from '../../src/doors/resp/session-state';
import type { Words } from '../../src/core/ports';
import { type Certificate, makeCertificate } from './certificate';
import { makeFolder, removeFolder } from './child';
import { type HttpDoor, type HttpDoorOptions, openHttpDoor } from './http-door';
import type { LogLine } from './log';
import { WireConnection } from './resp-wire';
import { HAS_SHORT_WAY } from './short-way';

export interface TestRespListener {
  readonly port: number;
  readonly certificate: Certificate;
  readonly door: HttpDoor;
  readonly lines: readonly LogLine[];
  /** In the order in which they were opened; those that ended too. */
  readonly sessions: readonly TestSession[];
  /** A client that trusts the certificate there is now. */
  connect(): Promise<WireConnection>;
  stop: RespListener['close'];
  close(): Promise<void>;
}

export interface TestRespOptions extends HttpDoorOptions {
  readonly tls?: boolean;
  /** With TLS: who does not show a certificate of this authority is not let in. */
  readonly clientCaFile?: string;
  readonly listener?: Partial<RespListenerOptions>;
}

/** Listens on a free loopback port. */
export async function openTestRespListener(options: TestRespOptions = {}): Promise<TestRespListener> {
  const folder = await makeFolder();
  const certificate = await makeCertificate(folder);
  const door = await openHttpDoor(options);
  const { cache, access, limits, clock, log, maxInFlight, observerFor } = door.parts;
  const sessions: TestSession[] = [];
  const listener = await openRespListener({
    host: '127.0.0.1',
    port: 0,
    tls: options.tls ? { ...certificate, clientCaFile: options.clientCaFile } : undefined,
    maxConnections: 100,
    ...{ cache, access, limits, clock, log, maxInFlight },
    observer: observerFor('resp'),
    hasShortWay: HAS_SHORT_WAY,
    createSession: (state) => {
      const session = new TestSession(state);
      sessions.push(session);
      return session;
    },
    ...options.listener,
  });
  const { port } = listener;
  return {
    port,
    certificate,
    door,
    lines: door.log.lines,
    sessions,
    connect: () => WireConnection.open({ port, certFile: options.tls ? certificate.certFile : undefined }),
    stop: () => listener.close(),
    close: async () => {
      await listener.close();
      await door.close();
      await removeFolder(folder);
    },
  };
}

/** What the door answers itself, and some commands that behave in one way each. */
export class TestSession implements RequestHandler {
  taken = 0;
  hasEnded = false;
  /** Requests in one turn of the event loop. */
  mostInTurn = 0;
  #takenInTurn = 0;
  #isBusy = false;
  #release: (() => void) | undefined;
  #held: ReplyPlace[] = [];

  constructor(readonly state: SessionState) {}

  handle(words: Words): Promise<void> | undefined {
    if (this.#isBusy) throw new Error('a request was handed over while another one was being carried out');
    this.taken++;
    this.#noteTurn();
    const { replies } = this.state;
    const name = words[0]?.toString('latin1').toLowerCase() ?? '';
    const argument = words[1]?.toString('latin1') ?? '';
    switch (name) {
      // Replies later than those behind it.
      case 'later': {
        const place = replies.take();
        setTimeout(() => place.settle(Buffer.from(`+${argument}\r\n`)), 2);
        return undefined;
      }
      case 'big':
        replies.writeBulk(Buffer.alloc(Number(argument), 'x'));
        return undefined;
      case 'biglater': {
        const place = replies.take();
        const bytes = Number(argument);
        setImmediate(() =>
          place.settle(Buffer.concat([Buffer.from(`$${bytes}\r\n`), Buffer.alloc(bytes), CRLF])),
        );
        return undefined;
      }
      // Does not end before `release`.
      case 'hold': {
        this.#isBusy = true;
        const place = replies.take();
        return new Promise((resolve) => {
          this.#release = () => {
            this.#isBusy = false;
            place.settle(Buffer.from('+held\r\n'));
            resolve();
          };
        });
      }
      // Until `settleHeld`.
      case 'held':
        this.#held.push(replies.take());
        return undefined;
      case 'block':
        this.state.isBlocked = true;
        replies.take();
        return new Promise(() => undefined);
      default:
        this.#local(name, words);
        return undefined;
    }
  }

  end(): void {
    this.hasEnded = true;
  }

  release(): void {
    this.#release?.();
  }

  get heldPlaces(): number {
    return this.#held.length;
  }

  settleHeld(): void {
    for (const place of this.#held.splice(0)) place.settle(Buffer.from('+held\r\n'));
  }

  #local(name: string, words: Words): void {
    const subcommand = words[1]?.toString('latin1').toLowerCase() ?? '';
    const command = LOCAL_COMMANDS.get(`${name}|${subcommand}`) ?? LOCAL_COMMANDS.get(name);
    try {
      if (command === undefined) throw new Error(`the test has no ${name}`);
      void command(this.state, words);
    } catch (thrown) {
      this.state.replies.write(replyToThrown(thrown));
    }
  }

  /** A turn of the event loop ends when `setImmediate` runs. */
  #noteTurn(): void {
    if (this.#takenInTurn === 0) setImmediate(() => (this.#takenInTurn = 0));
    this.#takenInTurn++;
    this.mostInTurn = Math.max(this.mostInTurn, this.#takenInTurn);
  }
}

const CRLF = Buffer.from('\r\n');
