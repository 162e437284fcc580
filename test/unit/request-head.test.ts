/** What is taken from the header fields of a request. */
import { Exchange } from '../../src/doors/http/exchange';
import { PlainRequest, PlainResponse } from '../../src/doors/http/fast/plain-messages';
import { readHead } from '../../src/doors/http/request-head';
import { CacheError } from '../../src/core/errors';
import { Grants, type Principal } from '../../src/core/grants';
import { Budget } from '../../src/lib/budget';
import { systemClock } from '../../src/lib/clock';
import { createRecordingLog } from '../support/log';
import { silentObserver } from '../support/observer';

const somebody: Principal = { id: '1', name: 'somebody', grants: new Grants(['read'], []) };
const access = {
  verify(token: string): Principal {
    if (token === 'good') return somebody;
    throw new CacheError('unauthenticated', 'no');
  },
};
const door = {
  clock: systemClock,
  log: createRecordingLog(),
  observer: silentObserver,
  bodies: new Budget(0),
  inFlight: new Budget(1),
};

function principalOf(...rawHeaders: string[]): Principal {
  const request = new PlainRequest(readHead(rawHeaders), Buffer.alloc(0));
  const response = new PlainResponse({ isGone: false, answer: () => undefined });
  return new Exchange(door, request, response, 'test').authenticate(access);
}

describe('authentication', () => {
  it.each(['Bearer good', 'bearer good', 'BEARER good', 'Bearer   good'])('accepts "%s"', (field) => {
    expect(principalOf('Host', 'x', 'Authorization', field)).toBe(somebody);
    expect(principalOf('authorization', field)).toBe(somebody);
  });

  it.each(['', 'Bearer', 'Bearer ', 'good', 'Basic good', 'Bearergood', 'Bearer good good', 'Bearer bad'])(
    'refuses "%s"',
    (field) => {
      expect(() => principalOf('Authorization', field)).toThrow(CacheError);
    },
  );

  it('refuses no field at all, and two of them although both are good', () => {
    expect(() => principalOf('Host', 'x')).toThrow(CacheError);
    expect(() => principalOf('Authorization', 'Bearer good', 'AUTHORIZATION', 'Bearer good')).toThrow(
      CacheError,
    );
  });
});

describe('Prefer: return=minimal', () => {
  it.each(['return=minimal', 'Return=Minimal', 'wait=5, return=minimal', 'return="minimal"; foo=bar'])(
    'is seen in "%s"',
    (field) => {
      expect(readHead(['Prefer', field]).prefersMinimal).toBe(true);
    },
  );

  it.each(['return=representation', 'respond-async', 'x=return=minimal', ''])(
    'is not seen in "%s"',
    (field) => {
      expect(readHead(['prefer', field]).prefersMinimal).toBe(false);
    },
  );

  it('may stand in one field of several', () => {
    expect(readHead(['Prefer', 'return=minimal', 'Prefer', 'wait=5']).prefersMinimal).toBe(true);
  });
});

it('repeated fields are counted or joined, never dropped', () => {
  const head = readHead([
    'Content-Type',
    'a',
    'content-type',
    'b',
    'Content-Encoding',
    'identity',
    'CONTENT-ENCODING',
    'gzip',
  ]);
  expect(head).toMatchObject({ contentTypes: 2, contentEncoding: 'identity, gzip' });
});

it('fields of the same length as ours are left alone', () => {
  expect(readHead(['If-None-Match', 'x', 'Accept', 'y', 'Cookie', 'z'])).toEqual(readHead([]));
});
