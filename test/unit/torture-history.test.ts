import { historyText, parseHistory, Recorder, valueOf, writerOf } from '../torture/history';

function recorder(): { recorder: Recorder; at: (ms: number) => void } {
  let nowMs = 0;
  return { recorder: new Recorder(() => nowMs), at: (ms) => (nowMs = ms) };
}

const CALL = { process: 'p1', gateway: 'one', key: 'a|b' } as const;

describe('the recorder', () => {
  it('gives each write a value that says who wrote it, and where', () => {
    const { recorder: made } = recorder();
    const first = made.begin({ ...CALL, op: 'WRITE' });
    const second = made.begin({ ...CALL, op: 'WRITE' });
    expect(writerOf(first.value ?? '')).toEqual({ key: 'a|b', process: 'p1', n: 1 });
    expect(second.value).toBe(valueOf('a|b', 'p1', 2));
    expect(made.begin({ ...CALL, op: 'READ' }).value).toBeUndefined();
    expect(writerOf('somebody else’s')).toBeUndefined();
    expect(() => made.begin({ ...CALL, process: 'p|1', op: 'WRITE' })).toThrow('free of "|"');
  });

  it('keeps the call and the return of what was answered', () => {
    const { recorder: made, at } = recorder();
    at(10);
    const pending = made.begin({ ...CALL, op: 'READ', session: 's', consistency: 'session' });
    at(12.5);
    pending.end({ outcome: 'ok', value: 'v', source: 'near' });
    expect(made.history().operations).toMatchObject([
      {
        op: 'READ',
        session: 's',
        value: 'v',
        source: 'near',
        callMs: 10,
        returnMs: 12.5,
        outcome: 'ok',
        ack: 0,
      },
    ]);
  });

  it('lets an unknown outcome never return, and remembers when the caller was told', () => {
    const { recorder: made, at } = recorder();
    const told = made.begin({ ...CALL, op: 'WRITE' });
    made.begin({ ...CALL, op: 'DELETE' });
    at(500);
    told.end({ outcome: 'unknown', code: 'timeout' });
    expect(made.history().operations).toMatchObject([
      { value: told.value, returnMs: Infinity, answeredMs: 500, outcome: 'unknown', code: 'timeout' },
      { returnMs: Infinity, outcome: 'unknown' },
    ]);
  });
});

describe('a history written to a file', () => {
  it('comes back as it was', () => {
    const { recorder: made, at } = recorder();
    made.mark('fault-begin', 'F8');
    made.begin({ ...CALL, op: 'WRITE', ttlMs: 50, ack: 1 }).end({ outcome: 'ok' });
    made.begin({ ...CALL, op: 'WRITE' }).end({ outcome: 'unknown', code: 'timeout' });
    made.begin({ ...CALL, op: 'DELETE' });
    made.begin({ ...CALL, op: 'READ' }).end({ outcome: 'not_found' });
    at(7);
    made.mark('fault-end', 'F8');
    const whole = made.history(
      [{ gateway: 'one', key: 'a|b' }],
      [{ key: 'a|b', value: valueOf('a|b', 'p1', 1) }],
    );
    expect(parseHistory(historyText(whole))).toEqual(whole);
  });

  it.each([
    ['{', 'line 2'],
    ['{"other":{}}', 'line 2 of the history: neither mark, operation, final nor applied'],
    ['{"mark":{"kind":"party","name":"x","atMs":1}}', 'kind is none of'],
    ['{"operation":{"process":"p"}}', 'gateway is not a string'],
    ['{"applied":7}', 'not an object'],
  ])('is refused with its line where it says %s', (line, message) => {
    expect(() => parseHistory(`\n${line}\n`)).toThrow(message);
  });
});
