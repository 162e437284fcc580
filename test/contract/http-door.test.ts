/**
 * The door contract through every form of the HTTP door, over the engine in the process, rings of real
 * Redis and the replicated engine.
 */
import { openHttpDoor } from '../support/http-door';
import { HTTP_FORMS } from '../support/door-client-http';
import { type RedisProcess, type ShardProcesses, startRedis } from '../support/redis';
import { describeDoorContract } from './door-contract';
import { START_MS } from './door-contract-frame';
import { memoryGround, replicatedGround, ringGround, startDoorShards } from './door-grounds';

let processes: readonly ShardProcesses[];
let redis: RedisProcess;

beforeAll(async () => {
  [processes, redis] = await Promise.all([startDoorShards(), startRedis()]);
}, START_MS);
afterAll(() => Promise.all([redis, ...processes].map((server) => server.stop())));

describeDoorContract(memoryGround(openHttpDoor), HTTP_FORMS);
describeDoorContract(
  ringGround(openHttpDoor, () => processes, 1),
  HTTP_FORMS,
);
describeDoorContract(
  ringGround(openHttpDoor, () => processes, 3),
  HTTP_FORMS,
);
// What the forms do with a core is the same on every engine: one of them shows what this one does.
describeDoorContract(
  replicatedGround(openHttpDoor, () => redis),
  HTTP_FORMS.slice(0, 1),
);
