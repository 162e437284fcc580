/** The door contract's part on what a caller may not do: rights and limits. */
import type { Scope } from '../../src/core/grants';
import type { Answer, DoorForm } from '../support/door-client';
import {
  type DoorFrame,
  expectBytes,
  KEY_BYTES_MAX,
  text,
  VALUE_BYTES_MAX,
  type WholeClient,
} from './door-contract-frame';

export function describeAccess(frame: DoorFrame, form: DoorForm): void {
  const connectWith = (scopes: readonly Scope[], prefixes: readonly string[] = []): WholeClient =>
    frame.connectAs(form, frame.service.tokenWith(scopes, prefixes));

  describe('who asks', () => {
    let door: WholeClient;
    /** Written, and in the near cache. */
    let there: string;
    beforeEach(async () => {
      door = frame.connect(form);
      there = frame.freshKey('theirs:');
      await door.put(there, text('v'));
      await door.get(there);
    });

    it.each([
      ['no token', undefined],
      ['a token that is none', 'not.a.token'],
    ])('%s is unauthenticated, and does nothing', async (_name, token) => {
      const stranger = frame.connectAs(form, token);
      for (const answer of [
        await stranger.get(there),
        await stranger.put(there, text('stolen')),
        await stranger.remove(there),
      ]) {
        expect(answer).toMatchObject({ outcome: 'failed', code: 'unauthenticated' });
      }
      expect(await door.get(there)).toMatchObject({ value: text('v') });
    });

    it('a client needs the scope for what it does, whether the key is there or not', async () => {
      for (const refused of [
        await askTwice((key) => connectWith(['write', 'delete']).get(key)),
        await askTwice((key) => connectWith(['read', 'delete']).put(key, text('other'))),
        await askTwice((key) => connectWith(['read', 'write']).remove(key)),
      ]) {
        expect(refused).toMatchObject({ outcome: 'failed', code: 'forbidden' });
      }
      expect(await door.get(there)).toMatchObject({ value: text('v') });
    });

    it('a client needs no other scope', async () => {
      expect(await connectWith(['read']).get(there)).toMatchObject({ value: text('v') });
      expect(await connectWith(['write']).put(there, text('w'))).toMatchObject({ outcome: 'done' });
      expect(await connectWith(['delete']).remove(there)).toMatchObject({ outcome: 'done' });
    });

    it('a client is kept to its prefixes, whether the key is there or not', async () => {
      const mine = connectWith(['read', 'write', 'delete'], ['mine:']);
      for (const refused of [
        await askTwice((key) => mine.get(key)),
        await askTwice((key) => mine.put(key, text('other'))),
        await askTwice((key) => mine.remove(key)),
      ]) {
        expect(refused).toMatchObject({ outcome: 'failed', code: 'forbidden' });
      }
      expect(await door.get(there)).toMatchObject({ value: text('v') });

      const own = frame.freshKey('mine:');
      expect(await mine.put(own, text('v'))).toMatchObject({ outcome: 'done' });
      expect(await mine.get(own)).toMatchObject({ value: text('v') });
      expect(await mine.remove(own)).toMatchObject({ outcome: 'done' });
    });

    /** The answer for the key that is there, which must be that for one that is not. */
    async function askTwice(ask: (key: string) => Promise<Answer>): Promise<Answer> {
      const answer = await ask(there);
      expect(await ask(`${there} absent`)).toEqual(answer);
      return answer;
    }
  });
}

export function describeLimits(frame: DoorFrame, form: DoorForm): void {
  describe('limits', () => {
    it('a key at the limit is an ordinary key, one byte more is too large', async () => {
      const door = frame.connect(form);
      const longest = '🔑'.repeat(KEY_BYTES_MAX / 4);
      expect(await door.put(longest, text('v'))).toMatchObject({ outcome: 'done' });
      expect(await door.get(longest)).toMatchObject({ value: text('v') });
      expect(await door.remove(longest)).toMatchObject({ outcome: 'done' });
      for (const answer of [
        await door.put(`${longest}.`, text('v')),
        await door.get(`${longest}.`),
        await door.remove(`${longest}.`),
      ]) {
        expect(answer).toMatchObject({ outcome: 'failed', code: 'too_large' });
      }
    });

    it('a value at the limit is stored, one byte more is too large and changes nothing', async () => {
      const door = frame.connect(form);
      const key = frame.freshKey();
      const largest = text('v'.repeat(VALUE_BYTES_MAX));
      expect(await door.put(key, largest)).toMatchObject({ outcome: 'done' });
      const larger = text('w'.repeat(VALUE_BYTES_MAX + 1));
      expect(await door.put(key, larger)).toMatchObject({ outcome: 'failed', code: 'too_large' });
      expectBytes(await door.get(key), largest);
    });
  });
}
