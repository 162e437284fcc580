/** The door contract's part on sessions: into a door, out of it, and from one gateway to another. */
import type { CallOptions } from '../support/door-client';
import type { HttpDoor } from '../support/http-door';
import { type DoorFrame, type DoorServers, START_MS, text, type WholeClient } from './door-contract-frame';

export function describeSessions(frame: DoorFrame): void {
  const { servers } = frame.ground;
  describe('a session', () => {
    frame.describeForms((form, lacks) => {
      if (lacks('session')) return;
      let door: WholeClient;
      beforeAll(() => {
        door = frame.connect(form);
      });

      it('comes back with every answer, and only to who carries one', async () => {
        const key = frame.freshKey();
        let session: string | undefined = '';
        for (const ask of [
          (options: CallOptions) => door.put(key, text('v'), options),
          (options: CallOptions) => door.get(key, options),
          (options: CallOptions) => door.remove(key, options),
          (options: CallOptions) => door.get(key, options),
        ]) {
          expect((await ask({})).session).toBeUndefined();
          session = (await ask({ session })).session;
          expect(session).toMatch(/^[A-Za-z0-9_-]+$/);
        }
      });

      it('that is forged is a bad request, and nothing is done', async () => {
        const key = frame.freshKey();
        const options = { session: 'forged' };
        for (const answer of [
          await door.put(key, text('v'), options),
          await door.get(key, options),
          await door.remove(key, options),
        ]) {
          expect(answer).toMatchObject({ outcome: 'failed', code: 'bad_request', session: undefined });
        }
        expect(await door.get(key)).toMatchObject({ outcome: 'missed' });
      });
    });

    if (servers !== undefined) describeTwoGateways(frame, servers);
  });
}

function describeTwoGateways(frame: DoorFrame, servers: DoorServers): void {
  describe('of two gateways, while the replicas lag', () => {
    let other: HttpDoor;
    beforeAll(async () => {
      other = await frame.ground.open();
      await frame.untilNear(other);
    }, START_MS);
    afterAll(() => other.close());
    afterEach(() => servers.resumeReplication());

    frame.describeForms((form, lacks) => {
      if (lacks('session')) return;
      it('shows through one what was changed through the other', async () => {
        const key = await frame.freshKeyOn(servers);
        const [a, b] = [frame.connect(form), frame.connect(form, other)];
        await a.put(key, text('old'));
        await servers.resumeReplication();
        await b.get(key);
        servers.pauseReplication();
        const written = await a.put(key, text('new'), { session: '' });
        expect(await b.get(key, { session: written.session })).toMatchObject({ value: text('new') });
        const removed = await a.remove(key, { session: written.session });
        expect(await b.get(key, { session: removed.session })).toMatchObject({ outcome: 'missed' });
      });
    });
  });
}
