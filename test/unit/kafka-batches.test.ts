/** What a broker answers to a FETCH, where it is not what it should be. */
import { readRecordBatches } from '../../src/kafka/record-batches';

const HEAD_BYTES = 61;
const plain = (_attributes: number, bytes: Buffer): Promise<Buffer> => Promise.resolve(bytes);

/** A batch of one record, whose body is `body`. */
function batchOf(
  body: Buffer,
  { length = HEAD_BYTES - 12 + body.length, magic = 2, count = 1 } = {},
): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeInt32BE(length, 8);
  head.writeInt8(magic, 16);
  head.writeInt32BE(count, 57);
  return Buffer.concat([head, body]);
}

it('a record without anything in it is read', async () => {
  // length 6, attributes, time, offset, no key, no value, no headers
  const { records, nextOffset } = await readRecordBatches(
    batchOf(Buffer.from([12, 0, 0, 0, 1, 1, 0])),
    0,
    plain,
  );
  expect(records.map(({ offset, value }) => [offset, value])).toEqual([[0, undefined]]);
  expect(nextOffset).toBe(1);
});

it.each([-12, -1, 0, HEAD_BYTES - 13])('a batch of the impossible length %d is refused', async (length) => {
  await expect(readRecordBatches(batchOf(Buffer.alloc(8), { length, count: 0 }), 0, plain)).rejects.toThrow();
});

it('a short message of an old format is refused, and not waited for', async () => {
  const message = batchOf(Buffer.alloc(0), { length: 20, magic: 1 }).subarray(0, 32);
  await expect(readRecordBatches(message, 0, plain)).rejects.toThrow('old format');
});

it.each([
  ['goes on behind its batch', Buffer.from([100, 0, 0, 0, 1, 1, 0])],
  ['ends before it begins', Buffer.from([3, 0, 0, 0, 1, 1, 0])],
  ['is longer than it says', Buffer.from([4, 0, 0, 0, 1, 1, 0])],
])('a record that %s is refused', async (_how, body) => {
  await expect(readRecordBatches(batchOf(body), 0, plain)).rejects.toThrow('a record');
});
