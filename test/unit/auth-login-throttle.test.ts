import { LoginThrottle, networkOf } from '../../src/auth/login-throttle';
import { createFakeClock, type FakeClock } from '../support/fake-clock';
import { failureOf } from './auth-support';

let clock: FakeClock;
let throttle: LoginThrottle;
beforeEach(() => {
  clock = createFakeClock();
  throttle = new LoginThrottle(clock);
});

const fail = (address: string, times = 1) => {
  for (let n = 0; n < times; n += 1) throttle.recordFailure(address, undefined);
};
const waitOf = (address: string) => {
  try {
    throttle.checkAddress(address, undefined);
    return 0;
  } catch {
    return failureOf(() => throttle.checkAddress(address, undefined)).retryAfterSeconds;
  }
};

describe('an address', () => {
  it('has five failures free, then waits 1, 2, 4 … at most 60 seconds', () => {
    fail('10.0.0.1', 5);
    expect(waitOf('10.0.0.1')).toBe(0);
    const waits = Array.from({ length: 8 }, () => {
      fail('10.0.0.1');
      return waitOf('10.0.0.1');
    });
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  });

  it('is let in again exactly when the wait it was told is over', () => {
    fail('10.0.0.1', 7);
    clock.advance(1001);
    expect(waitOf('10.0.0.1')).toBe(1);
    clock.advance(999);
    expect(waitOf('10.0.0.1')).toBe(0);
    fail('10.0.0.1');
    expect(waitOf('10.0.0.1')).toBe(4);
  });

  it('still waits after a thousand failures', () => {
    fail('10.0.0.1', 2000);
    expect(waitOf('10.0.0.1')).toBe(60);
  });

  it('starts anew when it is forgiven, and after a quarter of an hour without a failure', () => {
    fail('10.0.0.1', 5);
    throttle.forgive('10.0.0.1');
    fail('10.0.0.1', 5);
    expect(waitOf('10.0.0.1')).toBe(0);
    clock.advance(15 * 60_000 - 1);
    fail('10.0.0.1');
    expect(waitOf('10.0.0.1')).toBe(1);
    clock.advance(15 * 60_000);
    fail('10.0.0.1', 5);
    expect(waitOf('10.0.0.1')).toBe(0);
  });

  it('does not answer for another', () => {
    fail('10.0.0.1', 10);
    expect(waitOf('10.0.0.2')).toBe(0);
  });

  it('that has to wait is not forgotten in a flood of others with a few failures each', () => {
    fail('10.0.0.1', 10);
    for (let n = 0; n < 20_000; n += 1) fail(`2001:db8:${(n >> 8).toString(16)}:${n & 0xff}::1`);
    expect(waitOf('10.0.0.1')).toBe(16);
  });
});

describe('a client id', () => {
  it('has five failures free, then turns failures away, from whichever address', () => {
    for (let n = 0; n < 6; n += 1) throttle.recordFailure(`10.0.0.${n}`, 'id-1');
    const failure = failureOf(() => throttle.recordFailure('10.0.0.100', 'id-1'));
    expect(failure).toMatchObject({
      code: 'throttled',
      retryAfterSeconds: 1,
      cause: 'client has to wait, client id id-1',
    });
    expect(() => throttle.recordFailure('10.0.0.101', 'id-2')).not.toThrow();
  });

  it('does not wait longer for failures that were turned away, but their address does', () => {
    for (let n = 0; n < 6; n += 1) throttle.recordFailure(`10.0.0.${n}`, 'id-1');
    for (let n = 0; n < 6; n += 1) failureOf(() => throttle.recordFailure('10.0.0.100', 'id-1'));
    expect(waitOf('10.0.0.100')).toBe(1);
    clock.advance(1000);
    expect(() => throttle.recordFailure('10.0.0.101', 'id-1')).not.toThrow();
  });

  it('that is made up by the thousand does not push out an address', () => {
    fail('10.0.0.1', 10);
    for (let id = 0; id < 6000; id += 1) {
      for (let n = 0; n < 6; n += 1) throttle.recordFailure('10.0.0.2', `id-${id}`);
    }
    expect(waitOf('10.0.0.1')).toBe(16);
  });
});

describe('one address is', () => {
  it.each([
    ['an IPv4 address whole', '192.0.2.1', '192.0.2.1'],
    ['the same in IPv6', '::ffff:192.0.2.1', '192.0.2.1'],
    ['the same in hex', '::ffff:c000:201', '192.0.2.1'],
    ['the same written out', '0:0:0:0:0:FFFF:C000:0201', '192.0.2.1'],
    ['the /64 of an IPv6 address', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['the /64 of a short one', '2001:db8::1', '2001:db8:0:0::/64'],
    ['the /64 in upper case', '2001:DB8:0:0:ffff::', '2001:db8:0:0::/64'],
    ['the /64 of loopback', '::1', '0:0:0:0::/64'],
    ['the /64 of a link, without its zone', 'fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['what is no address, as it stands', 'not:an:address', 'not:an:address'],
    ['nothing, for a socket that is gone', '', ''],
  ])('%s', (_, address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  it('another where the first 64 bits differ', () => {
    expect(networkOf('2001:db8:0:1::1')).not.toBe(networkOf('2001:db8:0:2::1'));
  });
});
