import { parseClusterNodes } from '../../src/redis/cluster-topology';

const asked = { host: 'seed', port: 7000, tls: false, username: 'u', password: 'p' };
const id = (letter: string): string => letter.repeat(40);
const view = (...lines: string[]) => parseClusterNodes(`${lines.join('\n')}\n`, asked);
const hosts = (...lines: string[]) =>
  view(...lines).groups.flatMap(({ master, replicas }) =>
    [master, ...replicas].map(({ address }) => `${address.host}:${address.port}`),
  );

const A = `${id('a')} 10.0.0.1:7000@17000 myself,master - 0 1 3 connected 0-5 9 [5->-${id('b')}]`;
const B = `${id('b')} 10.0.0.2:7000@17000,b.example master - 0 1 7 connected 6-8`;
const C = `${id('c')} 10.0.0.3:7000@17000 slave ${id('a')} 0 1 3 connected`;

describe('CLUSTER NODES', () => {
  it('tells masters, their replicas and slots, and the highest epoch', () => {
    const { groups, epoch, hasMajority, strayIds } = view(A, C, B);
    expect(groups.map(({ master, slots }) => [master.id[0], slots])).toEqual([
      [
        'a',
        [
          [0, 5],
          [9, 9],
        ],
      ],
      ['b', [[6, 8]]],
    ]);
    expect(groups[0]?.replicas.map((replica) => replica.id[0])).toEqual(['c']);
    expect({ epoch, hasMajority, strayIds }).toEqual({ epoch: 7, hasMajority: true, strayIds: [] });
  });

  it('its nodes are spoken to like the one that was asked', () => {
    expect(view(A).groups[0]?.master.address).toEqual({ ...asked, host: '10.0.0.1' });
  });

  it.each([
    ['', 'seed:7001'],
    ['?', 'seed:7001'],
    ['::1', '::1:7001'],
    ['10.0.0.9', '10.0.0.9:7001'],
  ])('the host %j is taken as %s', (host, place) => {
    expect(hosts(`${id('a')} ${host}:7001@17001 myself,master - 0 1 3 connected 0-5`)).toEqual([place]);
  });

  it('a node is known by its address and its host name, and over TLS asked by its name', () => {
    expect(view(B).groups[0]?.master.names).toEqual(
      expect.arrayContaining(['10.0.0.2:7000', 'b.example:7000']),
    );
    expect(hosts(B)).toEqual(['10.0.0.2:7000']);
    const secure = parseClusterNodes(B, { ...asked, tls: true });
    expect(secure.groups[0]?.master.address).toMatchObject({ host: 'b.example', tls: true });
  });

  it('a failed master without slots is in no group, one that still has them is', () => {
    const failed = view(A, `${id('d')} 10.0.0.4:7000@17000 master,fail - 0 1 2 disconnected`);
    expect(failed.groups).toHaveLength(1);
    expect(failed.strayIds).toEqual([id('d')]);
    expect(
      view(A, `${id('d')} 10.0.0.4:7000@17000 master,fail - 0 1 2 disconnected 10-12`).groups,
    ).toHaveLength(2);
  });

  it('a node that does not see most of the masters says so', () => {
    const [lost, doubted] = ['master,fail', 'master,fail?'].map(
      (flags, n) => `${id(String(n))} 10.0.1.${n}:7000@17000 ${flags} - 0 1 2 disconnected ${20 + n}`,
    );
    expect(view(A, lost!).hasMajority).toBe(false);
    expect(view(A, lost!, doubted!).hasMajority).toBe(false);
    expect(view(A, B, lost!).hasMajority).toBe(true);
  });

  it.each([
    `${id('d')} 10.0.0.4:7000@17000 handshake - 0 0 0 disconnected`,
    `${id('d')} :0@0 master,noaddr - 0 0 0 disconnected`,
    `${id('d')} evil/path:99999@1 master - 0 0 0 connected 10`,
    'no line at all',
    '',
  ])('%j is no node that can be asked', (line) => {
    expect(hosts(A, line)).toEqual(['10.0.0.1:7000']);
  });
});
