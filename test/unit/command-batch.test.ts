import { CommandBatch } from '../../src/redis/command-batch';

function setUp() {
  const written: Buffer[] = [];
  const batch = new CommandBatch({
    write: (data: string | Buffer, encoding?: 'latin1') =>
      written.push(Buffer.isBuffer(data) ? data : Buffer.from(data, encoding ?? 'utf8')),
  });
  return { batch, written };
}

it('commands leave in one write, with every byte as it was', () => {
  const { batch, written } = setUp();
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  batch.add(['SET', bytes, Buffer.alloc(0), 'PX', 1500]);
  batch.add(['GET', 'k\xff']);
  expect(written).toEqual([]);
  batch.flush();
  expect(written).toEqual([
    Buffer.concat([
      Buffer.from('*5\r\n$3\r\nSET\r\n$256\r\n'),
      bytes,
      Buffer.from('\r\n$0\r\n\r\n$2\r\nPX\r\n$4\r\n1500\r\n*2\r\n$3\r\nGET\r\n$2\r\nk\xff\r\n', 'latin1'),
    ]),
  ]);
  batch.flush();
  expect(written).toHaveLength(1);
});

it('a long word goes out as it is, in its place', () => {
  const { batch, written } = setUp();
  const long = Buffer.alloc(16 * 1024 + 1, 'x');
  batch.add(['SET', 'k', long]);
  batch.add(['GET', 'k']);
  batch.flush();
  expect(written[1]).toBe(long);
  expect(Buffer.concat([written[0] ?? long, written[2] ?? long]).toString()).toBe(
    `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${long.length}\r\n\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`,
  );
});

it('more text than is good for one string goes out in parts, in order', () => {
  const { batch, written } = setUp();
  const words = ['SET', 'k', 'x'.repeat(10_000)] as const;
  for (let count = 0; count < 100; count++) batch.add(words);
  batch.flush();
  expect(written.length).toBeGreaterThan(2);
  expect(Math.max(...written.map(({ length }) => length))).toBeLessThan(300 * 1024);
  const one = `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10000\r\n${words[2]}\r\n`;
  expect(Buffer.concat(written).toString()).toBe(one.repeat(100));
});
