/** The HTTPS listener in front of a handler of the test, with limits wide enough not to be met by accident. */
import { rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import type { HttpApp } from '../../src/doors/http/app';
import { type Listener, type ListenerOptions, openListener } from '../../src/doors/http/listener';
import { systemClock } from '../../src/lib/clock';
import { type Certificate, makeCertificate } from './certificate';
import { makeFolder } from './child';
import { createRecordingLog, type RecordingLog } from './log';

export interface TestListener extends Listener, Certificate {
  readonly log: RecordingLog;
}

/** Listens on a free loopback port with a certificate of its own, for a door or for a handler of the test. */
export async function openTestListener(
  handler: HttpApp | RequestListener,
  options: Partial<ListenerOptions> = {},
): Promise<TestListener> {
  const folder = await makeFolder();
  const certificate = await makeCertificate(folder);
  const log = createRecordingLog();
  const listener = await openListener({
    host: '127.0.0.1',
    port: 0,
    ...certificate,
    clientCaFile: undefined,
    maxConnections: 100,
    ...('app' in handler ? { app: handler.app, fast: handler.fast } : { app: handler }),
    clock: systemClock,
    log,
    ...options,
  });
  return {
    ...certificate,
    log,
    host: listener.host,
    port: listener.port,
    get draining() {
      return listener.draining;
    },
    close: async () => {
      await listener.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
