/** Puts one server through a case: the bytes in their packets, then a probe that tells whether anybody still listens. */
import { connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { replyEnd } from '../../support/resp-wire';
import { encodeRequest } from './fuzz-case';

/**
 * What became of the connection: `open`: it answers; `closed`: the server ended it; `waiting`: the server wants more bytes,
 * and ended it when it was told that there are none; `stuck`: not even then.
 */
export type Fate = 'open' | 'closed' | 'waiting' | 'stuck';

export interface Outcome {
  readonly replies: readonly Buffer[];
  /** What came behind the last whole reply. */
  readonly rest: Buffer;
  readonly fate: Fate;
  /** The last replies may have been lost on their way: the server closed while bytes were under way to it. */
  readonly wasReset: boolean;
}

export interface ExchangeOptions {
  readonly port: number;
  readonly packets: readonly Buffer[];
  /** Silence of so long means that the server waits. */
  readonly quietMs: number;
  /** What another server answered: one that has answered less is given more time. */
  readonly model: Outcome | undefined;
  /**
   * What the probe says, and nobody has said before: random bytes in front of a probe make a key of its words, and a later
   * RANDOMKEY tells that key.
   */
  readonly probe: string;
}

/** When this process is late, several timers are due at once, and what has arrived meanwhile is seen between them. */
const QUIET_STEPS = 3;
/** As long as a server is waited for that does less than the other. */
const LATE_MS = 3000;
const END_MS_MAX = 3000;

/** @throws when the server cannot be connected to */
export function exchange({ port, packets, quietMs, model, probe }: ExchangeOptions): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
    let received: Buffer = Buffer.alloc(0);
    let isConnected = false;
    let hasEnded = false;
    let wasReset = false;
    let timer: NodeJS.Timeout | undefined;
    let lateTimer: NodeJS.Timeout | undefined;

    const finish = (fate: Fate): void => {
      clearTimeout(timer);
      clearTimeout(lateTimer);
      socket.removeAllListeners('close').resetAndDestroy();
      const { replies, rest } = split(received);
      resolve({ replies, rest, fate, wasReset });
    };
    const askForEnd = (): void => {
      clearTimeout(timer);
      clearTimeout(lateTimer);
      hasEnded = true;
      socket.end();
      timer = setTimeout(() => finish('stuck'), END_MS_MAX);
    };
    const isBehind = (): boolean =>
      model !== undefined && split(received).replies.length < model.replies.length;
    const expectMore = (stepsLeft = QUIET_STEPS): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (stepsLeft > 1) expectMore(stepsLeft - 1);
        // A server that has said less than the other may be slow; one that was to answer or to close may be about to.
        else if (model === undefined || (model.fate === 'waiting' && !isBehind())) askForEnd();
      }, quietMs / QUIET_STEPS);
    };

    socket.on('connect', () => {
      isConnected = true;
      void send().catch(() => undefined);
    });
    const send = async (): Promise<void> => {
      for (const packet of packets) {
        if (socket.destroyed || !socket.writable) return;
        socket.write(packet);
        await nextTurn();
      }
      if (socket.destroyed || !socket.writable) return;
      socket.write(encodeRequest(['ECHO', probe]), () => {
        lateTimer = setTimeout(askForEnd, LATE_MS);
        expectMore();
      });
    };
    socket.on('data', (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      if (hasEnded) return;
      if (received.includes(probe, Math.max(0, received.length - chunk.length - probe.length)))
        finish('open');
      else if (timer !== undefined) expectMore();
    });
    socket.on('end', () => finish(hasEnded ? 'waiting' : 'closed'));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!isConnected) reject(error);
      wasReset = true;
    });
    socket.on('close', () => finish(hasEnded ? 'waiting' : 'closed'));
  });
}

/** Cuts the bytes at these shares of their length. */
export function cutInto(bytes: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const places = cuts.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b);
  return [...places, bytes.length].map((to, index) => bytes.subarray(places[index - 1] ?? 0, to));
}

function split(received: Buffer): { replies: readonly Buffer[]; rest: Buffer } {
  const replies: Buffer[] = [];
  let at = 0;
  try {
    for (let end = replyEnd(received, at); at < received.length && end !== undefined;) {
      replies.push(received.subarray(at, end));
      at = end;
      end = at < received.length ? replyEnd(received, at) : undefined;
    }
  } catch {
    // Not RESP: it is the rest, and differs from whatever the other server said.
  }
  return { replies, rest: received.subarray(at) };
}
