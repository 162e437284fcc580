/** What is to be written to a topic, in what order, and who hears of it. */
import { keyFromText } from '../../src/core/key';
import { CacheError } from '../../src/core/errors';
import type { Appended, KafkaMessage } from '../../src/kafka/client';
import { KafkaOutbox } from '../../src/replication/kafka-outbox';
import type { VersionedEntry } from '../../src/replication/versioned-entry';
import { createRecordingLog } from '../support/log';

const ORIGIN = '00000000000000aa';
const entry = (name: string, time: number, text = 'x'): VersionedEntry => ({
  key: keyFromText(name),
  bytes: Buffer.from(text),
  time,
  origin: ORIGIN,
  expiresAtMs: Infinity,
});

/** A topic that answers when it is told to. */
function openOutbox() {
  const store = new Map<string, VersionedEntry>();
  const sent: string[][] = [];
  const answers: { appended(offset: number): void; failed(cause: Error): void }[] = [];
  const log = createRecordingLog();
  const outbox = new KafkaOutbox({
    held: (key) => store.get(key),
    readOffset: () => 7,
    log,
    send: (messages: readonly KafkaMessage[]) => {
      sent.push(messages.map(({ key, value }) => `${key.toString()}=${value?.toString() ?? ''}`));
      return new Promise<Appended>((resolve, reject) => {
        const times = { appendedMs: undefined, sentMs: 0, receivedMs: 0 };
        answers.push({ appended: (offset) => resolve({ offset, ...times }), failed: reject });
      });
    },
  });
  const announce = (...entries: VersionedEntry[]) => {
    for (const each of entries) store.set(each.key, each);
    return outbox.announce(entries);
  };
  const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  return { outbox, store, sent, answers, log, announce, turn };
}

describe('outbox', () => {
  it('what is announced in one turn goes together, and what gathers meanwhile goes next', async () => {
    const { outbox, sent, answers, announce, turn } = openOutbox();
    outbox.open();
    const first = [announce(entry('a', 1)), announce(entry('b', 2), entry('c', 3))];
    await turn();
    const second = announce(entry('d', 4));
    await turn();
    expect(sent).toEqual([['a=x', 'b=x', 'c=x']]);
    expect(outbox.told).toBe(0);
    answers[0]!.appended(10);
    expect(await Promise.all(first)).toEqual([11, 13]);
    await turn();
    expect(sent[1]).toEqual(['d=x']);
    expect(outbox.told).toBe(3);
    answers[1]!.appended(20);
    expect(await second).toBe(21);
    expect(outbox.told).toBe(4);
  });

  it('a key that is written again while it is on its way is sent again', async () => {
    const { outbox, sent, answers, announce, turn } = openOutbox();
    outbox.open();
    void announce(entry('k', 1, 'one'));
    await turn();
    const second = announce(entry('k', 2, 'two'));
    answers[0]!.appended(0);
    await turn();
    expect(outbox.told).toBe(0);
    expect(sent).toEqual([['k=one'], ['k=two']]);
    answers[1]!.appended(5);
    expect(await second).toBe(6);
    expect(outbox.told).toBe(2);
  });

  it('while Kafka is away nobody waits, and when it is back only what still stands is sent', async () => {
    const { outbox, store, sent, announce, turn } = openOutbox();
    expect(await announce(entry('mine', 1))).toBeUndefined();
    expect(await announce(entry('lost', 2))).toBeUndefined();
    store.set('lost', { ...entry('lost', 9), origin: '00000000000000bb' });
    await turn();
    expect(sent).toEqual([]);
    outbox.open();
    await turn();
    expect(sent).toEqual([['mine=x']]);
  });

  it('what was not confirmed is sent again, and nobody waits for that', async () => {
    const { outbox, sent, answers, announce, turn } = openOutbox();
    outbox.open();
    const waiting = announce(entry('k', 1));
    await turn();
    answers[0]!.failed(new CacheError('timeout', 'late'));
    expect(await waiting).toBeUndefined();
    await turn();
    outbox.shut();
    outbox.open();
    await turn();
    expect(sent).toEqual([['k=x'], ['k=x']]);
    outbox.close();
  });

  it('an entry that the topic does not take keeps no other one back, and is told without its key', async () => {
    const { outbox, sent, answers, log, announce, turn } = openOutbox();
    outbox.open();
    const waiting = [announce(entry('large', 1)), announce(entry('small', 2))];
    const tooLarge = new CacheError('too_large', 'too large');
    await turn();
    answers[0]!.failed(tooLarge);
    await turn();
    answers[1]!.failed(tooLarge);
    await turn();
    answers[2]!.appended(3);
    expect(await Promise.all(waiting)).toEqual([7, 4]);
    expect(sent).toEqual([['large=x', 'small=x'], ['large=x'], ['small=x']]);
    expect(log.lines).toHaveLength(1);
    expect(JSON.stringify(log.lines)).not.toMatch(/large=|"large"/);
  });

  it('a request is bounded in bytes, a larger entry goes alone', async () => {
    const { outbox, sent, answers, announce, turn } = openOutbox();
    outbox.open();
    const text = 'x'.repeat(300_000);
    for (const name of ['a', 'b', 'c']) void announce(entry(name, 1, text));
    for (let n = 0; n < 3; n += 1) {
      await turn();
      expect(sent[n]).toHaveLength(1);
      answers[n]!.appended(n);
    }
    await outbox.drained();
  });
});
