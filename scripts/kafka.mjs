// A real Kafka broker for the tests, from Maven Central: `node scripts/kafka.mjs fetch` brings its jars into the user's cache
// folder, once, and prints where they are; `node scripts/kafka.mjs start [port]` starts one broker on loopback, which
// is gone with this process, together with what it stored.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';

const KAFKA = '3.9.1';
/** What Kafka 3.9 logs through. */
const SLF4J = '1.7.36';
const FETCH_MS_MAX = 300_000;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>ringcache</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>${SLF4J}</version></dependency>
  </dependencies>
</project>
`;

/**
 * @returns {string} the folder with the jars
 * @throws when mvn is missing, or cannot bring them
 */
function fetchJars() {
  const cache = process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache');
  const folder = path.join(cache, 'ringcache', `kafka-${KAFKA}`);
  if (existsSync(folder)) return folder;
  mkdirSync(path.dirname(folder), { recursive: true });
  // Renamed when it is whole: what was broken off is not taken for the real thing.
  const temporary = mkdtempSync(`${folder}-`);
  try {
    writeFileSync(path.join(temporary, 'pom.xml'), POM);
    const args = ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=.'];
    execFileSync('mvn', args, { cwd: temporary, stdio: ['ignore', 'ignore', 'pipe'], timeout: FETCH_MS_MAX });
    if (!existsSync(folder)) renameSync(temporary, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return folder;
}

/**
 * Writes the configuration of a broker that is its own controller, and formats its store.
 * @param {{ jars: string, folder: string, port: number, controllerPort: number }} options `folder`: an empty one, for all that it keeps
 * @returns {string[]} the arguments of `java` that start it
 */
function prepare({ jars, folder, port, controllerPort }) {
  const config = path.join(folder, 'server.properties');
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': path.join(folder, 'data'),
    'auto.create.topics.enable': false,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    // A broker that was killed may come back as soon as its session has ended.
    'broker.session.timeout.ms': 3000,
    'broker.heartbeat.interval.ms': 500,
    'group.initial.rebalance.delay.ms': 0,
    // Compaction is tested, and must not be waited for.
    'log.cleaner.backoff.ms': 100,
    'log.cleaner.dedupe.buffer.size': 4 * 1024 * 1024,
    'log.initial.task.delay.ms': 100,
    'num.network.threads': 2,
    'num.io.threads': 2,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(config, lines.join(''));
  const java = [
    ...['-Xmx512m', '-Xms128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'],
    ...['-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', path.join(jars, '*')],
  ];
  const clusterId = randomBytes(16).toString('base64url');
  const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', config];
  execFileSync('java', [...java, ...format], { stdio: ['ignore', 'ignore', 'pipe'] });
  return [...java, 'kafka.Kafka', config];
}

const [command, ...rest] = process.argv.slice(2);
if (command === 'fetch') {
  console.log(fetchJars());
} else if (command === 'prepare') {
  // For the tests, which start it themselves: folder and ports in, arguments of java out.
  const [folder = '', port, controllerPort] = rest;
  const prepared = prepare({
    jars: fetchJars(),
    folder,
    port: Number(port),
    controllerPort: Number(controllerPort),
  });
  console.log(JSON.stringify(prepared));
} else if (command === 'start') {
  const port = Number(rest[0] ?? 9092);
  const folder = mkdtempSync(path.join(tmpdir(), 'ringcache-kafka-'));
  const args = prepare({ jars: fetchJars(), folder, port, controllerPort: port + 1 });
  const broker = spawn('java', args, { stdio: 'inherit' });
  console.log(`KAFKA_BROKERS=127.0.0.1:${port}`);
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => broker.kill());
  broker.on('exit', () => rmSync(folder, { recursive: true, force: true }));
} else {
  console.error('usage: node scripts/kafka.mjs fetch | prepare FOLDER PORT CONTROLLER_PORT | start [PORT]');
  process.exitCode = 2;
}
