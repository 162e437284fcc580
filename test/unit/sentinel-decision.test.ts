/** Whom to follow when Sentinels and nodes differ: the decision by itself. */
import type { NodeAddress } from '../../src/redis/client';
import { chooseMaster, chooseReplicas, type Leadership } from '../../src/redis/sentinel-decision';

const at = (host: string): NodeAddress => ({
  host,
  port: 6379,
  tls: false,
  username: undefined,
  password: undefined,
});
const lead = (host: string, epoch: number): Leadership => ({ address: at(host), epoch });

/** The host and epoch that are followed, given whom we follow, what three Sentinels say and who says it is a master. */
function chosen(
  present: Leadership | undefined,
  opinions: readonly Leadership[],
  masters: readonly string[],
  others: readonly string[] = [],
): string | undefined {
  const choice = chooseMaster({
    present,
    opinions,
    sentinels: 3,
    isMaster: ({ host }) => (masters.includes(host) ? true : others.includes(host) ? false : undefined),
  });
  return choice && `${choice.address.host} ${choice.epoch}`;
}

describe('a new master', () => {
  it('is followed when one Sentinel names it under a higher epoch and it says so itself', () => {
    expect(chosen(lead('old', 5), [lead('new', 6), lead('old', 5), lead('old', 5)], ['new', 'old'])).toBe(
      'new 6',
    );
  });

  it('is not followed while it does not say so itself', () => {
    expect(chosen(lead('old', 5), [lead('new', 6)], ['old'])).toBe('old 5');
    expect(chosen(lead('old', 5), [lead('new', 6)], ['old'], ['new'])).toBe('old 5');
  });

  it('is the one of the highest epoch where several are named', () => {
    const opinions = [lead('new', 6), lead('newest', 7), lead('old', 5)];
    expect(chosen(lead('old', 5), opinions, ['old', 'new', 'newest'])).toBe('newest 7');
    expect(chosen(undefined, opinions, ['old', 'new', 'newest'])).toBe('newest 7');
  });

  it('is not an older one because the newest does not answer', () => {
    expect(chosen(undefined, [lead('old', 5), lead('new', 6)], ['old'])).toBeUndefined();
    expect(chosen(lead('old', 5), [lead('new', 6), lead('newest', 7)], ['old', 'new'])).toBe('old 5');
  });
});

describe('a Sentinel that missed a failover', () => {
  it('does not move us back, although the deposed master confirms it', () => {
    expect(chosen(lead('new', 6), [lead('old', 5)], ['old', 'new'])).toBe('new 6');
    expect(chosen(lead('new', 6), [lead('old', 5)], ['old'])).toBe('new 6');
    expect(chosen(lead('new', 6), [lead('old', 5), lead('new', 6)], ['old'])).toBe('new 6');
  });

  it('does not even with a majority while our master says that it is one', () => {
    expect(chosen(lead('new', 6), [lead('old', 5), lead('old', 5)], ['old', 'new'])).toBe('new 6');
  });

  it('does not hold back those that know better', () => {
    expect(chosen(lead('new', 6), [lead('old', 5), lead('next', 7)], ['old', 'next'])).toBe('next 7');
    expect(chosen(undefined, [lead('old', 5), lead('new', 6)], ['old', 'new'])).toBe('new 6');
  });
});

describe('a Sentinel that names what is no master', () => {
  const opinions = [lead('lie', 999), lead('new', 6), lead('new', 6)];

  it('moves nothing, whatever its epoch', () => {
    expect(chosen(lead('new', 6), opinions, ['new'], ['lie'])).toBe('new 6');
    expect(chosen(lead('new', 6), [lead('lie', 999)], ['new'], ['lie'])).toBe('new 6');
  });

  it('does not block what more than half of all Sentinels say', () => {
    expect(chosen(lead('old', 5), opinions, ['new'], ['lie'])).toBe('new 6');
    expect(chosen(undefined, opinions, ['new'], ['lie'])).toBe('new 6');
  });
});

describe('a lower epoch', () => {
  const anew = [lead('new', 0), lead('new', 0)];

  it('is followed when most Sentinels agree, none names our master and it is none', () => {
    expect(chosen(lead('old', 6), anew, ['new'])).toBe('new 0');
    expect(chosen(lead('old', 6), anew, ['new'], ['old'])).toBe('new 0');
  });

  it('is not when only few say so', () => {
    expect(chosen(lead('old', 6), anew.slice(1), ['new'])).toBe('old 6');
  });
});

describe('the present master', () => {
  it('stays when no Sentinel answers', () => {
    expect(chosen(lead('old', 5), [], [])).toBe('old 5');
    expect(chosen(undefined, [], [])).toBeUndefined();
  });

  it('rises with the highest epoch in which it is named, so that older words stay older', () => {
    expect(chosen(lead('new', 5), [lead('new', 6), lead('old', 5)], ['old', 'new'])).toBe('new 6');
    expect(chosen(lead('new', 5), [lead('new', 7), lead('old', 6)], ['old'])).toBe('new 7');
  });
});

describe('replicas', () => {
  const healthy = (host: string) => ({ address: at(host), isHealthy: true });
  const down = (host: string) => ({ address: at(host), isHealthy: false });
  const hosts = (evidence: Parameters<typeof chooseReplicas>[0]): string[] =>
    chooseReplicas(evidence).map(({ host }) => host);

  it('stand in the order of their addresses, whoever lists them in whichever order', () => {
    const lists = [
      [healthy('c'), healthy('a')],
      [healthy('b'), healthy('c')],
    ];
    expect(hosts({ master: at('m'), known: [], lists })).toEqual(['a', 'b', 'c']);
    expect(hosts({ master: at('m'), known: [at('c')], lists: lists.toReversed() })).toEqual(['a', 'b', 'c']);
  });

  it('that are down stay when they are known, and are not taken up when they are not', () => {
    const lists = [[down('a'), down('b'), healthy('c')]];
    expect(hosts({ master: at('m'), known: [at('a')], lists })).toEqual(['a', 'c']);
  });

  it('go when every Sentinel has forgotten them', () => {
    expect(hosts({ master: at('m'), known: [at('a'), at('b')], lists: [[healthy('b')]] })).toEqual(['b']);
    expect(hosts({ master: at('m'), known: [at('a')], lists: [[]] })).toEqual([]);
  });

  it('stay when no Sentinel answers', () => {
    expect(hosts({ master: at('m'), known: [at('b'), at('a')], lists: [] })).toEqual(['a', 'b']);
  });

  it('do not include the master', () => {
    expect(hosts({ master: at('a'), known: [at('a')], lists: [[healthy('a'), healthy('b')]] })).toEqual([
      'b',
    ]);
    expect(hosts({ master: at('a'), known: [at('a')], lists: [] })).toEqual([]);
  });
});
