/** Where the door is meant to answer otherwise than Redis does, and why. Everything else that differs is a fault. */
import { REFUSALS } from '../../../src/doors/resp/refusals';

export interface Divergence {
  /** All bytes of the case. */
  readonly sent: Buffer;
  /** The first replies that differ; empty: there was none. */
  readonly redis: string;
  readonly door: string;
}

export interface Difference {
  readonly name: string;
  readonly reason: string;
  readonly isIt: (divergence: Divergence) => boolean;
}

const INVALID_LENGTH = /^-ERR Protocol error: invalid (multi)?bulk length/;

/** A number between a limit of the door and that of Redis. */
function announces(sent: Buffer, sign: '*' | '$', above: number, upTo: number): boolean {
  const numbers = sent.toString('latin1').matchAll(new RegExp(`\\${sign}(\\d{5,10})\\r`, 'g'));
  return [...numbers].some(([, digits]) => Number(digits) > above && Number(digits) <= upTo);
}

export const DIFFERENCES: readonly Difference[] = [
  {
    name: 'PING before AUTH',
    reason: 'clients and load balancers look whether a connection lives before they say who they are',
    isIt: ({ redis, door }) => redis.startsWith('-NOAUTH') && /^(\+PONG|\$|-ERR wrong number)/.test(door),
  },
  {
    name: 'refused commands',
    reason: 'they would harm the gateway, its nodes or its other callers; why, each refusal says itself',
    isIt: ({ door }) => Object.values(REFUSALS).some((why) => door === `-ERR ${why}\r\n`),
  },
  {
    name: 'more than 16,384 words',
    reason: 'what one request may hold is bounded more narrowly than in Redis',
    isIt: ({ sent, door }) => INVALID_LENGTH.test(door) && announces(sent, '*', 16_384, 2 ** 31 - 1),
  },
  {
    name: 'a bulk above the limit of values',
    reason: 'VALUE_BYTES_MAX is far below what Redis takes',
    isIt: ({ sent, door }) => INVALID_LENGTH.test(door) && announces(sent, '$', 8_388_608, 2 ** 29),
  },
  {
    name: 'more than 16,384 words in a line',
    reason: 'the same bound for inline requests',
    isIt: ({ sent, door }) =>
      door.startsWith('-ERR Protocol error: too big inline request') && sent.length > 32_768,
  },
];
