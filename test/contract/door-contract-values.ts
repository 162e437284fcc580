/** The door contract's part on keys and values: of each form by itself, and of all forms together. */
import { keyFromText } from '../../src/core/key';
import type { DoorForm, Lack } from '../support/door-client';
import { eventually } from '../support/eventually';
import {
  BYTES,
  type DoorFrame,
  expectBytes,
  has,
  isNear,
  JSON_VALUES,
  text,
  TEXTS,
  type WholeClient,
} from './door-contract-frame';

const KEYS = [
  ...['__proto__', 'constructor', 'hasOwnProperty', '{}', '{tag}:name', 'two  words ', ' ', '+', 'a+b'],
  ...['%2F', '%', '%zz', '/', '//', 'a/b', '?', 'a?b=c&d', '#', '&', '=', '.', '..', '../cache', '\\', ';'],
  ...[':key', '*', '"', "'", '\0', '\r\n', '\u2028', '🔑', 'é', 'key', 'value', 'K => V'],
];

export function describeForm(frame: DoorFrame, form: DoorForm): void {
  const lacks = (what: Lack): boolean => form.lacks.includes(what);
  let door: WholeClient;
  beforeAll(() => {
    door = frame.connect(form);
  });

  describe('values', () => {
    it.each(TEXTS)('the text %j is read as it was written', async (value) => {
      const key = frame.freshKey();
      expect(await door.put(key, text(value))).toMatchObject({ outcome: 'done' });
      expect(await door.get(key)).toMatchObject({ outcome: 'found', value: text(value) });
    });

    if (!lacks('bytes')) {
      it.each(BYTES)('bytes are read as they were written: %s', async (_name, value) => {
        const key = frame.freshKey();
        expect(await door.put(key, value)).toMatchObject({ outcome: 'done' });
        expectBytes(await door.get(key), value);
      });
    }

    if (!lacks('json')) {
      it.each(JSON_VALUES)('the JSON value %j is read as it was written', async (json) => {
        const key = frame.freshKey();
        expect(await door.put(key, { json })).toMatchObject({ outcome: 'done' });
        expect(await door.get(key)).toMatchObject({ outcome: 'found', value: { json } });
      });
    }

    it('a later value stands in place of an earlier one', async () => {
      const key = frame.freshKey();
      await door.put(key, text('a longer first value'));
      await door.put(key, text('second'));
      expect(await door.get(key)).toMatchObject({ value: text('second') });
    });

    if (!lacks('ttl')) {
      it('a value with a life ends by itself, read or not', async () => {
        const [watched, left] = [frame.freshKey(), frame.freshKey()];
        for (const key of [watched, left]) {
          expect(await door.put(key, text('v'), { ttlSeconds: 0.3 })).toMatchObject({ outcome: 'done' });
        }
        expect(await door.get(watched)).toMatchObject({ outcome: 'found' });
        await eventually(async () => (await door.get(watched)).outcome === 'missed');
        await eventually(async () => (await door.get(left)).outcome === 'missed');
      });
    }
  });

  describe('absence', () => {
    it('what was never written is a miss', async () => {
      expect(await door.get(frame.freshKey())).toMatchObject({ outcome: 'missed' });
    });

    it('a key is removed once: then it is a miss to get it and to remove it', async () => {
      const key = frame.freshKey();
      await door.put(key, text('v'));
      await door.get(key);
      expect(await door.remove(key)).toMatchObject({ outcome: 'done' });
      expect(await door.get(key)).toMatchObject({ outcome: 'missed' });
      expect(await door.remove(key)).toMatchObject({ outcome: 'missed' });
    });
  });

  describe('keys', () => {
    it.each(KEYS)('%j is an ordinary key, called the same where it is stored', async (key) => {
      const { service, ground } = frame;
      const stored = (): Promise<Buffer | undefined> => ground.stored(service, keyFromText(key));
      // Other forms have used it.
      await door.remove(key);
      expect(await door.get(key)).toMatchObject({ outcome: 'missed' });
      expect(await door.put(key, text(`value of ${key}`))).toMatchObject({ outcome: 'done' });
      expect(await stored()).toEqual(text(`value of ${key}`));
      expect(await door.get(key)).toMatchObject({ value: text(`value of ${key}`) });
      expect(await door.remove(key)).toMatchObject({ outcome: 'done' });
      expect(await stored()).toBeUndefined();
      expect(({} as Record<string, unknown>)['value']).toBeUndefined();
    });
  });

  describe('the near cache', () => {
    if (!lacks('source')) {
      it('answers from the second read on, until the next write', async () => {
        const key = frame.freshKey();
        // Not through the form itself: some writes read what they wrote.
        const writer = frame.connectTelling();
        await writer.put(key, text('first'));
        expect(await door.get(key)).toMatchObject({ isNear: false, value: text('first') });
        await eventually(async () => isNear(await door.get(key)));
        await writer.put(key, text('second'));
        expect(await door.get(key)).toMatchObject({ isNear: false, value: text('second') });
      });
    }

    it('never hides the own write', async () => {
      const key = frame.freshKey();
      for (let round = 0; round < 20; round += 1) {
        await door.put(key, text(`value ${round}`));
        expect(await door.get(key)).toMatchObject({ value: text(`value ${round}`) });
        expect(await door.get(key)).toMatchObject({ value: text(`value ${round}`) });
      }
      await door.remove(key);
      expect(await door.get(key)).toMatchObject({ outcome: 'missed' });
    });
  });
}

export function describeFormsTogether(frame: DoorFrame): void {
  const { forms } = frame;
  const isBinary = (form: DoorForm): boolean => !form.lacks.includes('bytes');
  const isStructured = (form: DoorForm): boolean => !form.lacks.includes('json');
  const named = forms.map((form) => [form.name, form] as const);

  describe('between the forms', () => {
    describe.each(named.filter(([, form]) => has(form, 'put')))('written through %s', (_name, writer) => {
      it.each(named)('each text is the same through %s', async (_reader, reader) => {
        for (const value of TEXTS) {
          const key = frame.freshKey();
          await frame.connect(writer).put(key, text(value));
          expect(await frame.connect(reader).get(key)).toMatchObject({
            outcome: 'found',
            value: text(value),
          });
        }
      });

      if (isBinary(writer)) {
        it('bytes are the same through each form that has bytes', async () => {
          for (const [, value] of BYTES) {
            const key = frame.freshKey();
            await frame.connect(writer).put(key, value);
            for (const reader of forms.filter(isBinary)) {
              expectBytes(await frame.connect(reader).get(key), value);
            }
          }
        });
      }

      if (isStructured(writer)) {
        it('JSON is the same through each form that has JSON, and its text through the others', async () => {
          for (const json of JSON_VALUES) {
            const key = frame.freshKey();
            await frame.connect(writer).put(key, { json });
            for (const reader of forms) {
              const value = isStructured(reader) ? { json } : text(JSON.stringify(json));
              expect(await frame.connect(reader).get(key)).toMatchObject({ outcome: 'found', value });
            }
          }
        });
      }
    });

    it('what one removes is gone for all, their near hits included', async () => {
      for (const remover of forms) {
        const key = frame.freshKey();
        await frame.connect(remover).put(key, text('v'));
        for (const reader of forms) await frame.connect(reader).get(key);
        await frame.connect(remover).remove(key);
        for (const reader of forms) {
          expect(await frame.connect(reader).get(key)).toMatchObject({ outcome: 'missed' });
        }
      }
    });
  });
}
