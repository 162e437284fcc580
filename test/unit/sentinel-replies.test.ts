/** What Sentinels announce, parsed. */
import type { NodeAddress } from '../../src/redis/client';
import { parseSelected } from '../../src/redis/sentinel-replies';

const nodeAt = (host: string, port: number): NodeAddress => ({
  host,
  port,
  tls: true,
  username: undefined,
  password: 'of the nodes',
});

describe('+selected-slave', () => {
  it('tells whose replica is about to become master', () => {
    const message = 'slave 10.0.0.2:6380 10.0.0.2 6380 @ main 10.0.0.1 6379';
    expect(parseSelected(message, nodeAt)).toEqual({ name: 'main', address: nodeAt('10.0.0.2', 6380) });
  });

  it('has host names and IPv6 addresses as they are announced', () => {
    const named = 'slave redis-2.example:6380 redis-2.example 6380 @ main redis-1.example 6379';
    expect(parseSelected(named, nodeAt)?.address.host).toBe('redis-2.example');
    expect(parseSelected('slave [::2]:6380 ::2 6380 @ main ::1 6379', nodeAt)?.address.host).toBe('::2');
  });

  it.each([['main 10.0.0.1 6379 10.0.0.2 6380'], ['master main 10.0.0.1 6379'], ['slave'], ['']])(
    'is not what says %j',
    (message) => {
      expect(parseSelected(message, nodeAt)).toBeUndefined();
    },
  );
});
