/** The last look of a run: what each gateway gives for each key once all is quiet, and what Redis has. */
import { eventually } from '../support/eventually';
import { Door } from './door';
import { FOREIGN, type FinalRead } from './history';
import { KEYS, TTL_MS_MAX } from './load';
import type { Stage } from './stage';

/** Between two looks: longer than a lease. */
const LOOKS_APART_MS = 1500;

/**
 * C4: once quiet and nothing left to expire, each gateway is asked for each key, twice, and so is Redis.
 * @throws Error if a gateway cannot answer
 */
export async function lookAtAll(stage: Stage): Promise<FinalRead[]> {
  const { topology, slots } = stage;
  await eventually(async () => {
    for (const key of KEYS) {
      const { client } = await topology.masterOf(topology.shardOf(key));
      if ((await client.pttl(key)) > 0) return false;
    }
    await Promise.all(
      slots.map(async ({ gateway }) => {
        if ((await gateway.get('/readyz')).status !== 200) throw new Error('a gateway is not ready');
      }),
    );
    return true;
  }, TTL_MS_MAX + 5000);
  const first = await lookOnce(stage);
  await new Promise((resolve) => setTimeout(resolve, LOOKS_APART_MS));
  return [...first, ...(await lookOnce(stage))];
}

async function lookOnce({ topology, slots, authorization }: Stage): Promise<FinalRead[]> {
  const seen: FinalRead[] = [];
  for (const key of KEYS) {
    const { client } = await topology.masterOf(topology.shardOf(key));
    const value = await client.get(key);
    seen.push({ gateway: FOREIGN, key, ...(value !== null && { value }) });
  }
  for (const slot of slots) {
    const door = new Door(slot);
    for (const key of KEYS) {
      const body = JSON.stringify({ command: 'READ', key });
      const { outcome, value, code } = await door.ask({
        op: 'READ',
        body,
        authorization,
        session: undefined,
      });
      if (outcome !== 'ok' && outcome !== 'not_found') {
        throw new Error(`${slot.name} cannot read ${key} after all was healed: ${code ?? outcome}`);
      }
      seen.push({ gateway: slot.name, key, ...(value !== undefined && { value }) });
    }
    door.close();
  }
  return seen;
}
