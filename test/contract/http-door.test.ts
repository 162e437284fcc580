/** The door contract through every form of the HTTP door, over the engine in the process and rings of real Redis. */
import { openDoorService } from '../support/door-client-service';
import { HTTP_FORMS } from '../support/door-client-http';
import type { ShardProcesses } from '../support/redis';
import { describeDoorContract } from './door-contract';
import { START_MS } from './door-contract-frame';
import { memoryGround, ringGround, startDoorShards } from './door-grounds';

let processes: readonly ShardProcesses[];

beforeAll(async () => {
  processes = await startDoorShards();
}, START_MS);
afterAll(() => Promise.all(processes.map((shard) => shard.stop())));

describeDoorContract(memoryGround(openDoorService), HTTP_FORMS);
describeDoorContract(
  ringGround(openDoorService, () => processes, 1),
  HTTP_FORMS,
);
describeDoorContract(
  ringGround(openDoorService, () => processes, 3),
  HTTP_FORMS,
);
