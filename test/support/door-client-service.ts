/** A service with its HTTP door open, for the door's clients. */
import { readFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import type { DoorAddress } from './door-client';
import { type HttpDoor, type HttpDoorOptions, openHttpDoor } from './http-door';
import { openTestListener } from './listener';

export interface DoorService
  extends DoorAddress, Pick<HttpDoor, 'engine' | 'log' | 'token' | 'tokenWith' | 'parts'> {
  close(): Promise<void>;
}

export async function openDoorService(options: HttpDoorOptions = {}): Promise<DoorService> {
  const door = await openHttpDoor(options);
  const listener = await openTestListener(door);
  const agent = new Agent({ keepAlive: true, ca: await readFile(listener.certFile) });
  return {
    ...door,
    port: listener.port,
    agent,
    close: async () => {
      agent.destroy();
      await listener.close();
      await door.close();
    },
  };
}
