/** The two servers that are compared: a plain Redis, and the door in front of another one. */
import { findFreePort } from '../../support/free-port';
import { startGateway } from '../../support/gateway';
import { startRedis, startShard } from '../../support/redis';
import { openParserDoor } from './parser-door';

/**
 * What stands in the place of the door: `door`: the built gateway; `parser`: only its parser in front of a Redis, in this
 * process; `redis`: a second plain Redis, to see what differs between two of the same.
 */
export type Subject = 'door' | 'parser' | 'redis';

export const SUBJECTS: readonly Subject[] = ['door', 'parser', 'redis'];

export interface Rig {
  readonly redisPort: number;
  readonly doorPort: number;
  /** AUTH with it lets a caller in at both. */
  readonly password: string;
  stop(): Promise<void>;
}

/** Nothing that random bytes may spell can end a server, or look at what others do with it. */
const TAKEN_AWAY = [
  'SHUTDOWN',
  'CONFIG',
  'DEBUG',
  'FLUSHALL',
  'FLUSHDB',
  'REPLICAOF',
  'SLAVEOF',
  'MONITOR',
  'SYNC',
];
const ARGS = [
  ...['--databases', '1', '--proto-max-bulk-len', '512mb'],
  ...TAKEN_AWAY.flatMap((name) => ['--rename-command', name, '']),
];

const PASSWORD = 'a-password-for-the-fuzz-0123456789';

export async function startRig(subject: Subject): Promise<Rig> {
  const redis = await startRedis({ password: PASSWORD, args: ARGS });
  const door = await startSubject(subject);
  return {
    redisPort: redis.port,
    doorPort: door.port,
    password: PASSWORD,
    stop: async () => {
      await door.stop();
      await redis.stop();
    },
  };
}

async function startSubject(subject: Subject): Promise<{ port: number; stop: () => Promise<unknown> }> {
  if (subject !== 'door') {
    const other = await startRedis({ password: PASSWORD, args: ARGS });
    if (subject === 'redis') return other;
    const door = await openParserDoor(other.port, PASSWORD);
    return { port: door.port, stop: () => Promise.all([door.close(), other.stop()]) };
  }
  const shard = await startShard({ name: 'shard-1', replicas: 0, args: ['--databases', '1'] });
  const port = await findFreePort();
  const gateway = await startGateway({
    env: {
      ...{ ENGINE: 'ring', REDIS_NODES: shard.setting, API_KEY: PASSWORD },
      ...{ RESP_PORT: String(port), RESP_TLS: 'false' },
    },
  });
  return {
    port,
    stop: async () => {
      await gateway.stop();
      await shard.stop();
    },
  };
}
