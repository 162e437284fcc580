import { GatheredBytes } from '../../src/lib/gathered-bytes';

it('gives back what was added, however it was cut', () => {
  const bytes = Buffer.from(Array.from({ length: 5000 }, (_, n) => n % 256));
  for (const size of [1, 3, 1000, 1024, 4999, 5000]) {
    const gathered = new GatheredBytes();
    for (let at = 0; at < bytes.length; at += size) gathered.add(bytes.subarray(at, at + size));
    expect(gathered.length).toBe(bytes.length);
    expect(gathered.whole().equals(bytes)).toBe(true);
  }
  expect(new GatheredBytes().whole()).toHaveLength(0);
});

it('a single piece is not copied', () => {
  const piece = Buffer.from('whole');
  const gathered = new GatheredBytes();
  gathered.add(piece);
  expect(gathered.whole().buffer).toBe(piece.buffer);
});

it('says beforehand what it will take up, and that is at most four times what was added, however small the pieces', () => {
  const gathered = new GatheredBytes();
  let takenBytes = 0;
  for (let n = 0; n < 100_000; n += 1) {
    takenBytes += gathered.growthFor(Buffer.of(1));
    gathered.add(Buffer.of(1));
  }
  expect(gathered.whole().buffer.byteLength).toBe(takenBytes);
  expect(takenBytes).toBeLessThanOrEqual(4 * 100_000);
});

it('a buffer that the first piece came from is never written to', () => {
  const packet = Buffer.from('firstREST');
  const gathered = new GatheredBytes();
  gathered.add(packet.subarray(0, 5));
  gathered.add(Buffer.from('!'));
  expect(packet.toString()).toBe('firstREST');
  expect(gathered.whole().toString()).toBe('first!');
});
