/** The door contract's part on a store that is away, and comes back. */
import { eventually } from '../support/eventually';
import { type DoorFrame, type DoorServers, REQUEST_TIMEOUT_MS, START_MS, text } from './door-contract-frame';

const BACK_MS = 15_000;
/** How much later than its deadline an answer may come on a busy machine. */
const TOLERANCE_MS = 1000;

export function describeOutage(frame: DoorFrame, servers: DoorServers): void {
  describe('while Redis is down', () => {
    /** A key of those that are down; of the others, where there are any. */
    let lost: string;
    let kept = '';
    beforeAll(async () => {
      lost = await frame.freshKeyOn(servers);
      if (!servers.areAll) kept = await frame.freshKeyOn(servers, false);
      await servers.kill();
      // What is asked before their end is known may wait for its deadline.
      const door = frame.connectTelling();
      await eventually(async () => {
        expect(await door.get(lost)).toMatchObject({ code: 'unavailable' });
        return true;
      });
    }, START_MS);

    frame.describeForms((form) => {
      it('each operation on its keys is unavailable within the deadline', async () => {
        const door = frame.connect(form);
        for (const ask of [() => door.get(lost), () => door.put(lost, text('v')), () => door.remove(lost)]) {
          const startedMs = performance.now();
          expect(await ask()).toMatchObject({ outcome: 'failed', code: 'unavailable' });
          expect(performance.now() - startedMs).toBeLessThan(REQUEST_TIMEOUT_MS + TOLERANCE_MS);
        }
      });

      if (!servers.areAll) {
        it('the keys of other shards are served', async () => {
          const door = frame.connect(form);
          expect(await door.put(kept, text('v'))).toMatchObject({ outcome: 'done' });
          expect(await door.get(kept)).toMatchObject({ value: text('v') });
        });
      }
    });

    describe('and back', () => {
      beforeAll(() => servers.restart(), START_MS);

      frame.describeForms((form) => {
        it(
          'service resumes by itself',
          async () => {
            const door = frame.connect(form);
            await eventually(async () => (await door.put(lost, text('back'))).outcome === 'done', BACK_MS);
            expect(await door.get(lost)).toMatchObject({ value: text('back') });
          },
          BACK_MS + TOLERANCE_MS,
        );
      });
    });
  });
}
