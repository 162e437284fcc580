import type { Redis } from 'ioredis';
import { watchHandshake } from '../../src/redis/client';
import { createFakeClock } from '../support/fake-clock';

const PATIENCE_MS = 1000;

/** As much of a client as is looked at, and a pace at which it is. */
function openWatched() {
  const clock = createFakeClock();
  const client = { status: 'connect', disconnect: jest.fn() };
  return { clock, client, watch: watchHandshake(client as unknown as Redis, clock) };
}

it('a handshake with a silent server ends when it has taken too long, and another one begins', () => {
  const { clock, client, watch } = openWatched();
  watch();
  clock.advance(PATIENCE_MS);
  watch();
  expect(client.disconnect).toHaveBeenCalledTimes(1);
  expect(client.disconnect).toHaveBeenCalledWith(true);
});

it('a handshake over a slow link is left alone, however often it is looked at', () => {
  const { clock, client, watch } = openWatched();
  for (let n = 0; n < PATIENCE_MS; n += 1) {
    watch();
    clock.advance(1);
  }
  expect(client.disconnect).not.toHaveBeenCalled();
});

it('each handshake has its own time', () => {
  const { clock, client, watch } = openWatched();
  watch();
  clock.advance(PATIENCE_MS - 1);
  client.status = 'ready';
  watch();
  client.status = 'connect';
  clock.advance(PATIENCE_MS);
  watch();
  clock.advance(PATIENCE_MS - 1);
  watch();
  expect(client.disconnect).not.toHaveBeenCalled();
  clock.advance(1);
  watch();
  expect(client.disconnect).toHaveBeenCalledTimes(1);
});

it('the handshake that follows one that was ended has its full time, though nobody looked in between', () => {
  const { clock, client, watch } = openWatched();
  watch();
  clock.advance(PATIENCE_MS);
  watch();
  expect(client.disconnect).toHaveBeenCalledTimes(1);
  // The next connection stands before the next look.
  clock.advance(200);
  watch();
  clock.advance(PATIENCE_MS - 1);
  watch();
  expect(client.disconnect).toHaveBeenCalledTimes(1);
  clock.advance(1);
  watch();
  expect(client.disconnect).toHaveBeenCalledTimes(2);
});
