/**
 * The door contract through gRPC, over the engine in the process and rings of real Redis. HTTP commands run beside it,
 * to show that it is one cache behind both doors.
 */
import { GRPC, openGrpcDoorService } from '../support/door-client-grpc';
import { HTTP_COMMANDS } from '../support/door-client-http';
import type { ShardProcesses } from '../support/redis';
import { describeDoorContract } from './door-contract';
import { START_MS } from './door-contract-frame';
import { memoryGround, type OpenService, ringGround, startDoorShards } from './door-grounds';

const FORMS = [GRPC, HTTP_COMMANDS];

let processes: readonly ShardProcesses[];

beforeAll(async () => {
  processes = await startDoorShards();
}, START_MS);
afterAll(() => Promise.all(processes.map((shard) => shard.stop())));

const open: OpenService = (options) => openGrpcDoorService(options);

describeDoorContract(memoryGround(open), FORMS);
describeDoorContract(
  ringGround(open, () => processes, 1),
  FORMS,
);
describeDoorContract(
  ringGround(open, () => processes, 3),
  FORMS,
);
