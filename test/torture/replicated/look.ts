/** The last look of a run: what each gateway gives for each key that was ever used, and the life that is left of it. */
import { eventually } from '../../support/eventually';
import { Door } from '../door';
import type { GatewaySlot } from '../gateways';
import type { FinalRead, Operation } from '../history';
import type { Group } from './group';
import { LIFE_SLACK_MS } from './check';
import { SHORT_LIFE_MS_MAX } from './load';

/** Within which all must show the same. */
const ALIKE_MS = 10_000;
const BATCH = 500;

/**
 * Waits until all gateways show the same for all keys, for `ALIKE_MS` at most, and gives what they show then.
 * @throws Error if a gateway cannot answer
 */
export async function lookAtGroup(
  group: Group,
  operations: readonly Operation[],
): Promise<readonly FinalRead[]> {
  const keys = [...new Set(operations.map(({ key }) => key))];
  const mortal = new Set(operations.filter(({ ttlMs }) => ttlMs !== undefined).map(({ key }) => key));
  await new Promise((resolve) => setTimeout(resolve, SHORT_LIFE_MS_MAX + 2 * LIFE_SLACK_MS));
  let looks: readonly FinalRead[] = [];
  await eventually(async () => {
    looks = await lookOnce(group, keys);
    return areAlike(looks);
  }, ALIKE_MS).catch(() => undefined);
  // Asked once, and one after the other, for they are many questions and each tells of its own moment.
  const answered = await Promise.all(
    group.slots.map(async ({ name }) => {
      const own: FinalRead[] = [];
      for (const look of looks) {
        if (look.gateway !== name) continue;
        const isMortal = look.value !== undefined && mortal.has(look.key);
        own.push(isMortal ? { ...look, ...(await lifeOf(group, look)) } : look);
      }
      return own;
    }),
  );
  return answered.flat();
}

async function lookOnce({ slots, authorization }: Group, keys: readonly string[]): Promise<FinalRead[]> {
  const seen = await Promise.all(slots.map((slot) => readAll(slot, authorization, keys)));
  return seen.flat();
}

async function readAll(
  slot: GatewaySlot,
  authorization: string,
  keys: readonly string[],
): Promise<FinalRead[]> {
  const door = new Door(slot);
  const seen: FinalRead[] = [];
  try {
    for (let first = 0; first < keys.length; first += BATCH) {
      const some = keys.slice(first, first + BATCH);
      const atMs = performance.now();
      const body = JSON.stringify(some.map((key) => ({ command: 'READ', key })));
      const heard = await door.askAll(
        some.map(() => 'READ'),
        body,
        authorization,
      );
      for (const [at, { outcome, value, code }] of heard.entries()) {
        if (outcome !== 'ok' && outcome !== 'not_found')
          throw new Error(`${slot.name} cannot read ${some[at]!} after all was healed: ${code ?? outcome}`);
        seen.push({ gateway: slot.name, key: some[at]!, atMs, ...(value !== undefined && { value }) });
      }
    }
  } finally {
    door.close();
  }
  return seen;
}

function areAlike(looks: readonly FinalRead[]): boolean {
  const values = new Map<string, string | undefined>();
  return looks.every(({ key, value }) => {
    if (!values.has(key)) values.set(key, value);
    return values.get(key) === value;
  });
}

async function lifeOf(
  { slots, authorization }: Group,
  { gateway: name, key }: FinalRead,
): Promise<Pick<FinalRead, 'atMs' | 'remainingMs'>> {
  const { gateway } = slots.find((slot) => slot.name === name)!;
  const atMs = performance.now();
  const reply = await gateway.get(`/ring/${encodeURIComponent(key)}`, { authorization });
  const { ttl } = reply.json() as { readonly ttl: number | null };
  return { atMs, ...(ttl !== null && { remainingMs: ttl * 1000 }) };
}
