/**
 * What every door promises, whatever its transport, as one suite to run on each of its forms over each engine. Where a
 * form lacks a method, another form of the same service stands in for it, and the name of the form's block says so.
 */
import type { DoorForm } from '../support/door-client';
import { describeAccess, describeLimits } from './door-contract-access';
import { type DoorGround, DoorFrame, START_MS } from './door-contract-frame';
import { describeOutage } from './door-contract-outage';
import { describeSessions } from './door-contract-sessions';
import { describeStored } from './door-contract-stored';
import { describeForm, describeFormsTogether } from './door-contract-values';

/** Runs the suite on all forms together: they are compared with one another too. */
export function describeDoorContract(ground: DoorGround, forms: readonly DoorForm[]): void {
  describe(`door contract over ${ground.name}`, () => {
    const frame = new DoorFrame(ground, forms);

    beforeAll(() => frame.open(), START_MS);
    afterAll(() => frame.close());

    frame.describeForms((form) => {
      describeForm(frame, form);
      describeAccess(frame, form);
      describeLimits(frame, form);
    });
    describeFormsTogether(frame);
    describeStored(frame);
    describeSessions(frame);
    // At last: what is written before is gone then.
    if (ground.servers !== undefined) describeOutage(frame, ground.servers);
  });
}
