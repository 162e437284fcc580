/**
 * A real Kafka broker in KRaft mode for tests, its own controller, on free loopback ports. Its jars come from Maven Central
 * (`scripts/kafka.mjs`) where mvn and java are on PATH; elsewhere, and in CI, tests that need it are skipped by name.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import type { KafkaAddress } from '../../src/kafka/client';
import { loadProtocol } from '../../src/kafka/protocol';
import { BrokerConnection } from '../../src/kafka/broker-connection';
import { systemClock } from '../../src/lib/clock';
import { makeFolder, removeFolder, startChild, type Child } from './child';
import { eventually } from './eventually';
import { findCommand } from './find-command';
import { findFreePort } from './free-port';
import { stopAfterTests } from './leftovers';

const SCRIPT = path.join(__dirname, '../../scripts/kafka.mjs');

/** The first start brings 60 jars; a broker starts within 5 s, on a busy machine within 20 s. */
export const KAFKA_START_MS = 320_000;
const SERVE_MS_MAX = 60_000;

/** Why there is no broker for tests; undefined where there is one. */
const kafkaMissing: string | undefined = process.env['CI']
  ? 'not in CI'
  : [findCommand('mvn'), findCommand('java')].includes(undefined)
    ? 'mvn and java are not on PATH'
    : undefined;

/** `describe`, or a skip that says why. */
export const describeWithKafka = (name: string, tests: () => void): void => {
  if (kafkaMissing === undefined) describe(name, tests);
  else describe.skip(`${name} (no Kafka broker: ${kafkaMissing})`, tests);
};

export interface KafkaProcess {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** As settings know it. */
  readonly address: KafkaAddress;
  /** SIGSTOP: the broker answers nothing, its connections stay open. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** SIGKILL; resolves when the process has ended. */
  kill(): Promise<void>;
  /** Starts a killed broker again, with what it stored. */
  restart(): Promise<void>;
  /** Deletes a topic, as an operator would. */
  deleteTopic(topic: string): Promise<void>;
  stop(): Promise<void>;
}

/** Resolves when the broker serves. */
export async function startKafka(): Promise<KafkaProcess> {
  const folder = await makeFolder();
  const [port, controllerPort] = [await findFreePort(), await findFreePort()];
  const args = await prepare(folder, port, controllerPort);
  const env = { PATH: process.env['PATH'] };
  const launch = async (): Promise<Child> => {
    const started = startChild('java', args, { folder, env });
    let output = '';
    for (const stream of [started.stdout, started.stderr]) {
      stream.on('data', (piece: Buffer) => (output = (output + piece.toString()).slice(-2000)));
    }
    try {
      await eventually(async () => started.hasExited() || (await isServing(port)), SERVE_MS_MAX);
      if (started.hasExited()) throw new Error('it ended at once');
    } catch (failure) {
      started.signal('SIGKILL');
      throw new Error(`the broker does not serve on port ${port}:\n${output}`, { cause: failure });
    }
    return started;
  };
  let child = await launch();
  const broker: KafkaProcess = {
    host: '127.0.0.1',
    port,
    get pid() {
      return child.pid;
    },
    address: { brokers: [`127.0.0.1:${port}`], tls: false, sasl: undefined },
    freeze: () => child.signal('SIGSTOP'),
    thaw: () => child.signal('SIGCONT'),
    kill: async () => {
      child.signal('SIGKILL');
      await child.exited;
    },
    restart: async () => {
      child = await launch();
    },
    deleteTopic: async (topic) => {
      const { Kafka, logLevel } = await import('kafkajs');
      const kafka = new Kafka({ brokers: [`127.0.0.1:${port}`], logLevel: logLevel.NOTHING });
      const admin = kafka.admin();
      await admin.connect();
      await admin.deleteTopics({ topics: [topic] });
      await admin.disconnect();
    },
    stop: stopAfterTests(async () => {
      await broker.kill();
      await removeFolder(folder);
    }),
  };
  return broker;
}

async function prepare(folder: string, port: number, controllerPort: number): Promise<string[]> {
  const args = [SCRIPT, 'prepare', folder, String(port), String(controllerPort)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: KAFKA_START_MS });
  return JSON.parse(stdout) as string[];
}

/** It is asked for its brokers, of which it is one when it can be used. */
async function isServing(port: number): Promise<boolean> {
  const deadlineMs = systemClock.now() + 2000;
  const protocol = await loadProtocol();
  const { signal } = new AbortController();
  const options = { protocol, clock: systemClock, deadlineMs, signal, onEnd: () => undefined };
  const broker = await BrokerConnection.open(
    { host: '127.0.0.1', port },
    { tls: false, sasl: undefined },
    options,
  );
  try {
    const question = { topics: [], allowAutoTopicCreation: false };
    return (await broker.ask(protocol.metadata, question, deadlineMs)).brokers.length > 0;
  } finally {
    broker.end(new Error('seen'));
  }
}
