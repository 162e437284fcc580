/** The door contract's part on what lies in the store: what others wrote there, and encrypted values. */
import { keyFromText } from '../../src/core/key';
import type { HttpDoor } from '../support/http-door';
import { type DoorFrame, START_MS, text, type WholeClient } from './door-contract-frame';

export function describeStored(frame: DoorFrame): void {
  const { ground } = frame;

  describe('what is stored by others', () => {
    frame.describeForms((form) => {
      it('text is read as it lies there', async () => {
        const key = frame.freshKey();
        await ground.store(frame.service, keyFromText(key), text('é by hand'));
        expect(await frame.connect(form).get(key)).toMatchObject({ value: text('é by hand') });
      });

      it('a torn envelope is corrupt_value, never plaintext and never a miss', async () => {
        const key = frame.freshKey();
        await ground.store(frame.service, keyFromText(key), Buffer.of(0xfe, 0x72, 0x63));
        const answer = await frame.connect(form).get(key);
        expect(answer).toMatchObject({ outcome: 'failed', code: 'corrupt_value' });
      });
    });
  });

  describe('with encryption', () => {
    const SECRET = 'a plain secret';
    let sealing: HttpDoor;
    beforeAll(async () => {
      sealing = await ground.open({ encryptionConfigured: true });
    }, START_MS);
    afterAll(() => sealing.close());

    /** What is stored for the secret under a key that no near cache has. */
    async function storeSecret(key: string): Promise<Buffer> {
      // Not through each form: some writes read what they wrote.
      await frame.connectTelling(sealing).put(key, text(SECRET));
      const stored = await ground.stored(sealing, keyFromText(key));
      if (stored === undefined) throw new Error('nothing was stored');
      return Buffer.from(stored);
    }

    frame.describeForms((form) => {
      let door: WholeClient;
      beforeAll(() => {
        door = frame.connect(form, sealing);
      });

      it('a value is read as it was written, and its text is not what is stored', async () => {
        const key = frame.freshKey();
        expect(await door.put(key, text(SECRET))).toMatchObject({ outcome: 'done' });
        const stored = await ground.stored(sealing, keyFromText(key));
        expect(stored?.length).toBeGreaterThan(SECRET.length);
        expect(stored?.includes('plain')).toBe(false);
        expect(await door.get(key)).toMatchObject({ value: text(SECRET) });
      });

      it('a stored value that was altered is corrupt_value', async () => {
        const key = frame.freshKey();
        const stored = await storeSecret(key);
        stored[stored.length - 1]! ^= 1;
        await ground.store(sealing, keyFromText(key), stored);
        expect(await door.get(key)).toMatchObject({ outcome: 'failed', code: 'corrupt_value' });
      });

      it('a stored value that was moved to another key is corrupt_value', async () => {
        const other = frame.freshKey();
        await ground.store(sealing, keyFromText(other), await storeSecret(frame.freshKey()));
        expect(await door.get(other)).toMatchObject({ outcome: 'failed', code: 'corrupt_value' });
      });
    });
  });
}
