/**
 * The container files. No container engine runs where the tests do, so what can be known without one is checked:
 * that the parts fit each other, and that no secret stands in them.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { parseMasters, parseNodes, parseSeeds, parseSentinels } from '../../src/config/nodes';
import type { NodeStatus } from '../../src/core/ports';
import { HTTP_STATUS } from '../../src/doors/http/respond';
import { openMetrics } from '../../src/telemetry/metrics';
import { makeFolder, startChild } from '../support/child';
import { eventually } from '../support/eventually';
import { createFakeClock } from '../support/fake-clock';
import { parseExposition } from '../support/prometheus-text';
import { readmeProse } from '../support/readme';

const ROOT = path.join(__dirname, '../..');
const composeText = readFileSync(path.join(ROOT, 'docker-compose.yml'), 'utf8');
const dockerfile = readFileSync(path.join(ROOT, 'scripts/Dockerfile'), 'utf8');

interface ComposeService {
  image?: string;
  user?: string;
  profiles?: string[];
  build?: { context: string; dockerfile: string };
  network_mode?: string;
  init?: boolean;
  command?: string[];
  env_file?: string;
  environment?: Record<string, unknown>;
  healthcheck?: { test: string };
  restart?: string;
  depends_on?: Record<string, { condition: string }>;
  ports?: string[];
  volumes?: string[];
}

const compose = parse(composeText, { merge: true }) as {
  services: Record<string, ComposeService>;
  volumes: Record<string, unknown>;
};
const PASSWORD = '${REDIS_PASSWORD:?set it in .env}';

/** The words behind an option of the command. */
function optionOf(service: ComposeService | undefined, name: string, count = 1): string[] {
  const at = service?.command?.indexOf(name) ?? -1;
  return at < 0 ? [] : service!.command!.slice(at + 1, at + 1 + count);
}

/** Those that are started with that profile; undefined: always. */
function servicesOf(profile?: string): Record<string, ComposeService> {
  return Object.fromEntries(
    Object.entries(compose.services).filter(([, { profiles }]) => profiles?.[0] === profile),
  );
}

/** A gateway without what tells it from another one. */
function common(service: ComposeService | undefined): unknown {
  return {
    ...service,
    profiles: undefined,
    depends_on: undefined,
    ports: undefined,
    environment: Object.fromEntries(
      Object.entries(service?.environment ?? {}).filter(([name]) => !/^(ENGINE|REDIS_)/.test(name)),
    ),
  };
}

const { ringcache, ...redisServices } = servicesOf();
const [shard] = parseNodes(String(ringcache?.environment?.['REDIS_NODES']));

describe('docker-compose.yml', () => {
  it('runs the service with one master and three replicas', () => {
    expect(shard?.replicas).toHaveLength(3);
    const hosts = [shard?.master.host, ...shard!.replicas.map(({ host }) => host)];
    expect(hosts.sort()).toEqual(Object.keys(redisServices).sort());
  });

  it('has every replica follow the master that the settings name', () => {
    expect(redisServices[shard!.master.host]?.command).not.toContain('--replicaof');
    for (const { host } of shard!.replicas) {
      expect(optionOf(redisServices[host], '--replicaof', 2)).toEqual([shard!.master.host, '6379']);
      expect(optionOf(redisServices[host], '--masterauth')).toEqual([PASSWORD]);
    }
  });

  it('checks the health of each Redis and waits for it', () => {
    for (const [name, service] of Object.entries(redisServices)) {
      expect([name, service.healthcheck?.test]).toEqual([name, expect.stringContaining('redis-cli')]);
      expect(ringcache?.depends_on?.[name]).toEqual({ condition: 'service_healthy' });
    }
  });

  it('pins the image of Redis, asks for a password and publishes no port of it', () => {
    for (const service of Object.values(redisServices)) {
      expect(service.image).toMatch(/^redis:7\.\d+-alpine$/);
      expect(optionOf(service, '--requirepass')).toEqual([PASSWORD]);
      expect(service.environment?.['REDISCLI_AUTH']).toBe(PASSWORD);
      expect(service.ports).toBeUndefined();
    }
  });

  it('runs each Redis as the image does by itself, which is not as root', () => {
    // The image's entry point drops root's rights only where redis-server is the first word.
    for (const service of Object.values(redisServices)) expect(service.command?.[0]).toBe('redis-server');
  });

  it('keeps named clients in a volume, where the image’s user can write', () => {
    const file = String(ringcache?.environment?.['CLIENTS_FILE']);
    const folder = path.posix.dirname(file);
    expect(ringcache?.volumes).toContain(`clients:/app/${folder}`);
    expect(Object.keys(compose.volumes)).toContain('clients');
    expect(dockerfile).toMatch(new RegExp(`^RUN install -d -o node -g node ${folder}$`, 'm'));
    expect(dockerfile.indexOf('RUN install')).toBeLessThan(dockerfile.indexOf('USER node'));
  });

  it('names the files of the certificate in the container, whatever .env says of the host', () => {
    expect(ringcache?.environment).toMatchObject({
      TLS_CERT_FILE: 'certs/cert.pem',
      TLS_KEY_FILE: 'certs/key.pem',
    });
  });

  it('takes secrets from .env alone and mounts the certificates read-only', () => {
    expect(ringcache?.env_file).toBe('.env');
    expect(ringcache?.volumes).toContain('./certs:/app/certs:ro');
    expect(composeText).not.toMatch(
      /(SECRET|API_KEY|PASSWORD|AUTH|ENCRYPTION_KEYS)\w*(: +|=)(&\w+ +)?['"]?[^\s$'"&]/,
    );
  });

  it('builds from the Dockerfile that is there', () => {
    expect(ringcache?.build).toEqual({ context: '.', dockerfile: 'scripts/Dockerfile' });
  });
});

describe('docker-compose.yml with the profile sentinel', () => {
  const { 'ringcache-sentinel': gateway, ...sentinels } = servicesOf('sentinel');

  it('runs a gateway with the Sentinels and the master that they watch', () => {
    const { ENGINE, REDIS_SENTINELS, REDIS_MASTERS, REDIS_NODES } = gateway?.environment ?? {};
    expect([ENGINE, REDIS_NODES]).toEqual(['sentinel', '']);
    const hosts = parseSentinels(String(REDIS_SENTINELS)).map(({ host }) => host);
    expect(hosts.sort()).toEqual(Object.keys(sentinels).sort());
    expect(hosts).toHaveLength(3);
    for (const { command } of Object.values(sentinels)) {
      for (const name of parseMasters(String(REDIS_MASTERS))) {
        expect(command?.at(-1)).toContain(`sentinel monitor ${name} ${shard!.master.host} 6379 2`);
      }
    }
  });

  it('differs from the other gateway in nothing else but its port', () => {
    expect(common(gateway)).toEqual(common(ringcache));
    expect(gateway?.ports).not.toEqual(ringcache?.ports);
  });

  it('pins the image of the Sentinels, runs none as root and publishes no port of them', () => {
    for (const [name, service] of Object.entries(sentinels)) {
      expect(service.image).toBe(redisServices[shard!.master.host]?.image);
      expect(service.user).toBe('redis');
      expect(service.ports).toBeUndefined();
      expect(gateway?.depends_on?.[name]).toEqual({ condition: 'service_healthy' });
      expect(service.healthcheck?.test).toContain('redis-cli -p 26379');
    }
  });

  it('lets every node become a replica of every other one', () => {
    for (const service of Object.values(redisServices)) {
      expect(optionOf(service, '--masterauth')).toEqual([PASSWORD]);
    }
  });
});

describe('docker-compose.yml with the profile cluster', () => {
  const { 'ringcache-cluster': gateway, 'cluster-create': creation, ...nodes } = servicesOf('cluster');

  it('runs a gateway on the cluster, which differs from the other in nothing else but its port', () => {
    const { ENGINE, REDIS_CLUSTER, REDIS_NODES } = gateway?.environment ?? {};
    expect([ENGINE, REDIS_NODES]).toEqual(['cluster', '']);
    for (const { host } of parseSeeds(String(REDIS_CLUSTER))) expect(Object.keys(nodes)).toContain(host);
    expect(common(gateway)).toEqual(common(ringcache));
    expect(gateway?.ports).toEqual(['8002:8000']);
  });

  it('makes the nodes a cluster of three masters with a replica each before the gateway starts', () => {
    expect(Object.keys(nodes)).toHaveLength(6);
    for (const name of Object.keys(nodes)) {
      expect(creation?.command?.at(-1)).toContain(` ${name}:6379`);
      expect(creation?.depends_on?.[name]).toEqual({ condition: 'service_healthy' });
    }
    expect(creation?.command?.at(-1)).toContain('--cluster-replicas 1');
    expect(creation?.user).toBe('redis');
    expect(gateway?.depends_on).toEqual({
      'cluster-create': { condition: 'service_completed_successfully' },
    });
  });

  it('pins the image of its nodes, asks for a password and publishes no port of them', () => {
    for (const service of Object.values(nodes)) {
      expect(service.image).toBe(redisServices[shard!.master.host]?.image);
      expect(service.command?.[0]).toBe('redis-server');
      for (const option of ['--requirepass', '--masterauth'])
        expect(optionOf(service, option)).toEqual([PASSWORD]);
      expect(optionOf(service, '--cluster-enabled')).toEqual(['yes']);
      expect(service.healthcheck?.test).toContain('redis-cli');
      expect(service.ports).toBeUndefined();
    }
  });
});

describe('docker-compose.yml with the profile metrics', () => {
  const services = servicesOf('metrics');
  const { 'metrics-certificate': copier, 'metrics-token': sidecar, prometheus, grafana } = services;
  const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
  const settings = parse(read('scripts/prometheus/prometheus.yml'));
  const [scrape] = settings.scrape_configs;
  const [, script, address, ca, serverName, tokenFile] = sidecar?.command ?? [];
  /** Where a mounted volume, or a file of this tree, is in the container. */
  const mounted = (service: ComposeService | undefined, source: string): string =>
    service?.volumes?.find((volume) => volume.startsWith(`${source}:`))?.split(':')[1] ?? '';

  it('has two sidecars, Prometheus and Grafana, with pinned images and ports for this machine only', () => {
    expect(Object.keys(services).sort()).toEqual([
      'grafana',
      'metrics-certificate',
      'metrics-token',
      'prometheus',
    ]);
    expect(prometheus?.image).toMatch(/^prom\/prometheus:v\d+\.\d+\.\d+$/);
    expect(grafana?.image).toMatch(/^grafana\/grafana:\d+\.\d+\.\d+$/);
    for (const service of Object.values(services)) {
      expect((service.ports ?? []).filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
    }
  });

  it('mounts files that are there, and nothing of this tree to be written to', () => {
    const ours = Object.values(services).flatMap(({ volumes = [] }) =>
      volumes.filter((volume) => volume.startsWith('./')),
    );
    expect(ours.length).toBeGreaterThan(5);
    for (const volume of ours) {
      const [source = '', , mode] = volume.split(':');
      expect([volume, mode]).toEqual([volume, 'ro']);
      // Made by scripts/certs.sh.
      if (source !== './certs') expect([source, existsSync(path.join(ROOT, source))]).toEqual([source, true]);
    }
  });

  it('runs the script that the image has, which keeps the token where Prometheus looks for it', () => {
    expect(sidecar?.build).toEqual(ringcache?.build);
    expect(dockerfile).toContain(`COPY ${script} ./${path.posix.dirname(String(script))}/`);
    expect(read('scripts/Dockerfile.dockerignore').split('\n')).toContain(`!${script}`);
    const folder = path.posix.dirname(String(tokenFile));
    expect(mounted(sidecar, 'metrics-token')).toBe(`/app/${folder}`);
    expect(sidecar?.healthcheck?.test).toBe(`test -s /app/${tokenFile}`);
    const seen = `${mounted(prometheus, 'metrics-token')}/${path.posix.basename(String(tokenFile))}`;
    expect(scrape.authorization).toEqual({ type: 'Bearer', credentials_file: seen });
    expect(Object.keys(compose.volumes)).toEqual(
      expect.arrayContaining(['metrics-token', 'prometheus-data']),
    );
    // Mode 0600: only the one who writes the file can read it, and a fresh volume takes over the folder's owner.
    expect(sidecar?.user).toBe('65534:65534');
    expect(prometheus?.user).toBe(sidecar?.user);
    expect(dockerfile).toMatch(new RegExp(`^RUN install -d -o nobody -g nobody -m 700 ${folder}$`, 'm'));
    for (const service of Object.values(services).filter(({ image }) => image !== undefined)) {
      expect(service.volumes?.filter((volume) => volume.startsWith('metrics-token:'))).toEqual(
        service === prometheus ? ['metrics-token:/run/ringcache:ro'] : [],
      );
    }
  });

  it('shows the folder with the certificate’s key to nobody with a network, a secret or the right to read it', () => {
    const seeing = Object.values(services).filter(({ volumes = [] }) =>
      volumes.some((volume) => volume.includes('certs')),
    );
    expect(seeing).toEqual([copier]);
    expect(copier?.network_mode).toBe('none');
    expect([copier?.environment, copier?.env_file, copier?.ports]).toEqual([undefined, undefined, undefined]);
    // Not the image's user, who owns the key.
    expect(copier?.user).toBe(sidecar?.user);
  });

  it('copies the certificate alone to where the token is, and again when another takes its name', async () => {
    expect(copier?.build).toEqual(ringcache?.build);
    expect(copier?.init).toBe(true);
    expect(mounted(copier, './certs')).toBe('/app/certs');
    expect(mounted(copier, 'metrics-token')).toBe(mounted(sidecar, 'metrics-token'));
    expect(copier?.healthcheck?.test).toBe(`test -s /app/${ca}`);
    const folder = await makeFolder();
    const at = (name: string): string => path.join(folder, name);
    for (const name of ['certs', 'token']) await mkdir(at(name));
    await writeFile(at('certs/key.pem'), 'the key');
    const renew = async (certificate: string): Promise<void> => {
      await writeFile(at('certs/draft'), certificate);
      await rename(at('certs/draft'), at(String(ringcache?.environment?.['TLS_CERT_FILE'])));
    };
    await renew('the first');
    const [shell = '', ...rest] = copier?.command ?? [];
    const loop = startChild(shell, rest, { folder, env: { PATH: process.env['PATH'] } });
    const copied = (): Promise<string> => readFile(at(String(ca)), 'utf8').catch(() => '');
    await eventually(async () => (await copied()) === 'the first');
    await renew('the second');
    await eventually(async () => (await copied()) === 'the second');
    expect(await readdir(at('token'))).toEqual(['cert.pem']);
    loop.signal('SIGKILL');
    await loop.exited;
    // Its last pause outlives it for a moment, and has these open.
    for (const stream of [loop.stdout, loop.stderr]) stream.destroy();
  });

  it('gives nobody but the sidecar a secret, and that one its API key only', () => {
    // Every gateway has all of .env otherwise.
    expect(ringcache?.environment?.['METRICS_API_KEY']).toBe('');
    expect(sidecar?.environment).toEqual({ API_KEY: '${METRICS_API_KEY:-${API_KEY:-}}' });
    for (const service of Object.values(services)) expect(service.env_file).toBeUndefined();
    expect([prometheus?.environment, grafana?.environment]).toEqual([undefined, undefined]);
  });

  it('asks the gateway over TLS that is verified, by the same name as the sidecar does', () => {
    const { origin, host } = new URL(String(address));
    expect(origin).toBe('https://ringcache:8000');
    expect(scrape).toMatchObject({
      scheme: 'https',
      metrics_path: '/metrics',
      static_configs: [{ targets: [host] }],
      tls_config: { server_name: serverName },
    });
    expect(scrape.tls_config.insecure_skip_verify).toBeUndefined();
    expect(scrape.tls_config.ca_file).toBe(
      `${mounted(prometheus, 'metrics-token')}/${path.posix.basename(String(ca))}`,
    );
  });

  it('starts each after what it needs', () => {
    expect(sidecar?.depends_on).toEqual({
      'metrics-certificate': { condition: 'service_healthy' },
      ringcache: { condition: 'service_healthy' },
    });
    expect(prometheus?.depends_on).toEqual({ 'metrics-token': { condition: 'service_healthy' } });
    expect(Object.keys(grafana?.depends_on ?? {})).toEqual(['prometheus']);
  });

  it('shows Grafana where Prometheus and the dashboard are', () => {
    const { datasources } = parse(read('scripts/grafana/provisioning/datasources/prometheus.yml'));
    expect(datasources).toMatchObject([{ type: 'prometheus', url: 'http://prometheus:9090' }]);
    const { providers } = parse(read('scripts/grafana/provisioning/dashboards/ringcache.yml'));
    expect(mounted(grafana, './scripts/grafana/dashboards')).toBe(providers[0].options.path);
    expect(mounted(grafana, './scripts/grafana/provisioning')).toBe('/etc/grafana/provisioning');
    expect(read('scripts/grafana/grafana.ini')).toContain(`${providers[0].options.path}/ringcache.json`);
    const uids = dashboards().flatMap(({ panels }) =>
      panels.filter(({ type }) => type !== 'row').map(({ datasource }) => datasource?.uid),
    );
    expect(new Set(uids)).toEqual(new Set([datasources[0].uid]));
  });

  it('lays the panels out in rows, none over another', () => {
    for (const { panels } of dashboards()) {
      const rows = panels.filter(({ type }) => type === 'row').map(({ title }) => title);
      expect(rows).toEqual(['Requests', 'Latency', 'Near cache', 'Nodes', 'Process']);
      const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
        Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
      );
      expect(new Set(cells).size).toBe(cells.length);
      expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    }
  });

  it('asks, in each expression, for series that the gateway has, by labels that they have', async () => {
    const labelsOf = await exposedLabels();
    const expressions = [
      ...dashboards().flatMap(({ panels }) =>
        panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
      ),
      ...alerts().map(({ expr }) => expr),
    ];
    expect(expressions.length).toBeGreaterThan(30);
    for (const expression of expressions) {
      const { names, labels } = takeApart(expression);
      expect(names.length).toBeGreaterThan(0);
      for (const name of names)
        expect([expression, name, labelsOf.has(name)]).toEqual([expression, name, true]);
      for (const label of labels) {
        const known = names.some((name) => labelsOf.get(name)?.has(label));
        expect([expression, label, known]).toEqual([expression, label, true]);
      }
    }
  });

  it('shows every series of ours in a panel', async () => {
    const asked = new Set(
      dashboards().flatMap(({ panels }) =>
        panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => takeApart(expr).names)),
      ),
    );
    const ours = [...(await exposedLabels()).keys()].filter((name) => name.startsWith('ringcache_'));
    expect(ours.filter((name) => !asked.has(name) && !/_(sum|count)$/.test(name))).toEqual([]);
  });

  it('alerts on what README.md names, and on nothing else', () => {
    expect(settings.rule_files).toEqual(['alerts.yml']);
    expect(mounted(prometheus, './scripts/prometheus/alerts.yml')).toBe('/etc/prometheus/alerts.yml');
    // A bar ends a cell of a table, in code too, unless it is escaped.
    const told = readmeProse().replaceAll('\\|', '|');
    for (const { expr } of alerts()) expect(told).toContain(`\`${expr}\``);
    const named = [...told.matchAll(/^\| .* \| `([^`]*\b(?:up|ringcache_\w+)\b[^`]*)` +\|$/gm)].map(
      ([, expr]) => expr,
    );
    expect(named.sort()).toEqual(
      alerts()
        .map(({ expr }) => expr)
        .sort(),
    );
  });
});

it('alerts on each code of a batch’s commands that a single one is answered 500 or above for', () => {
  const [expression = ''] = alerts().flatMap(({ expr }) => (expr.includes('commands_total') ? [expr] : []));
  const [, listed = ''] = /outcome=~"([^"]*)"/.exec(expression) ?? [];
  const faults = Object.entries(HTTP_STATUS).flatMap(([code, status]) => (status >= 500 ? [code] : []));
  expect(listed.split('|').sort()).toEqual(faults.sort());
});

interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly datasource?: { readonly uid: string };
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}

function dashboards(): Dashboard[] {
  const folder = path.join(ROOT, 'scripts/grafana/dashboards');
  return readdirSync(folder).map((file) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')));
}

function alerts(): { readonly expr: string }[] {
  const { groups } = parse(readFileSync(path.join(ROOT, 'scripts/prometheus/alerts.yml'), 'utf8'));
  return groups.flatMap(({ rules }: { rules: { expr: string }[] }) => rules);
}

/** Every series that a gateway exposes once each thing has happened, with the labels it has there. */
async function exposedLabels(): Promise<Map<string, Set<string>>> {
  const node: NodeStatus = {
    address: 'redis:6379',
    role: 'replica',
    healthy: true,
    linkUp: true,
    lagBytes: 0,
    inFlight: 0,
    announces: true,
  };
  const near = { enabled: true, entries: 0, bytes: 0, entriesMax: 0, bytesMax: 0, ttlSeconds: 0 };
  const metrics = openMetrics({
    clock: createFakeClock(),
    engine: { status: () => [{ name: 'main', nodes: [node] }] },
    near: { status: () => ({ ...near, hits: 0, misses: 0, evictions: 0 }) },
  });
  const observer = metrics.observerFor('http');
  observer.commands('READ', 'SUCCESS', 1);
  observer.request({
    ...{
      requestId: '',
      route: '',
      client: undefined,
      address: undefined,
      commands: undefined,
      cause: undefined,
    },
    ...{
      command: 'READ',
      outcome: 'SUCCESS',
      source: undefined,
      status: 200,
      isFault: false,
      durationMs: 1,
      workMs: 1,
    },
  });
  const { series, types } = parseExposition(await metrics.exposition());
  metrics.close();
  // What Prometheus itself adds to each series, and its own series of each target.
  const added = ['instance', 'job'];
  const labels = new Map([['up', new Set(added)]]);
  // A kind of garbage collection has its series when it has happened.
  if (types.has('nodejs_gc_duration_seconds')) {
    labels.set('nodejs_gc_duration_seconds_sum', new Set([...added, 'kind']));
  }
  for (const each of series) {
    const known = labels.get(each.name) ?? new Set(added);
    for (const label of Object.keys(each.labels)) known.add(label);
    labels.set(each.name, known);
  }
  return labels;
}

const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/** Where the bracket at `start` is closed. @throws Error when it is not, or when one within is not */
function endOfBracket(expression: string, start: number): number {
  const open: (string | undefined)[] = [];
  for (let at = start; at < expression.length; at++) {
    const char = expression.charAt(at);
    if (char === '"') {
      at += /^"(?:[^"\\]|\\.)*(?=")/.exec(expression.slice(at))?.[0].length ?? expression.length;
    } else if (char in CLOSING) {
      open.push(CLOSING[char]);
    } else if (/[)\]}]/.test(char)) {
      if (open.pop() !== char) throw new Error(`a bracket too many at ${at}: ${expression}`);
      if (open.length === 0) return at;
    }
  }
  throw new Error(`a bracket is open: ${expression}`);
}

/** @throws Error when brackets do not fit, or when a quantile is asked of buckets that have lost their bounds */
function checkSyntax(expression: string): void {
  if (endOfBracket(`(${expression})`, 0) !== expression.length + 1)
    throw new Error(`closed twice: ${expression}`);
  for (const { index, 0: name } of expression.matchAll(/\bhistogram_quantile *(?=\()/g)) {
    const start = index + name.length;
    const given = expression.slice(start, endOfBracket(expression, start));
    if (!/\bby *\([^)]*\ble\b[^)]*\)/.test(given)) throw new Error(`no le: ${expression}`);
  }
}

/** The series that a PromQL expression asks for, and the labels that it names. @throws Error as `checkSyntax` does */
function takeApart(expression: string): { names: string[]; labels: string[] } {
  checkSyntax(expression);
  const labels: string[] = [];
  const bare = expression
    .replace(/\[[^\]]*\]/g, '')
    .replace(/\{([^}]*)\}/g, (_, matchers: string) => {
      labels.push(...[...matchers.matchAll(/(\w+) *(?:=~|!~|!=|=)/g)].map(([, label = '']) => label));
      return '';
    })
    .replace(/\b(?:by|without) *\(([^)]*)\)/g, (_, list: string) => {
      labels.push(...list.split(',').map((label) => label.trim()));
      return '';
    });
  const words = bare.match(/[a-zA-Z_:][\w:]*(?! *\()\b/g) ?? [];
  const functions = [...bare.matchAll(/([a-zA-Z_]\w*) *\(/g)].map(([, name]) => name);
  const operators = ['and', 'or', 'unless'];
  const isName = (word: string): boolean =>
    !/^e\d+$/.test(word) && ![...functions, ...operators].includes(word);
  return { names: words.filter(isName), labels };
}

it.each([
  'rate(up[5m]',
  'up)',
  'sum by (le) (rate(up[5m)])',
  'up{job="a"',
  'up{job="a}',
  'histogram_quantile(0.9, sum by (instance) (rate(x_bucket[5m])))',
  'sum by (le) (histogram_quantile(0.9, rate(x_bucket[5m])))',
])('an expression that Prometheus would refuse, or make nothing of, is seen here: %s', (expression) => {
  expect(() => takeApart(expression)).toThrow(expression);
});

describe('scripts/Dockerfile', () => {
  const stages = dockerfile.split(/^(?=FROM )/m).slice(1);
  const [build, runtime] = [stages[0] ?? '', stages.at(-1) ?? ''];

  it('builds in one stage and runs in another without the tools of the first', () => {
    expect(stages).toHaveLength(2);
    expect(build).toMatch(/^FROM node:20\.\d+-alpine AS build$/m);
    expect(runtime).toMatch(/^RUN npm ci .*--omit=dev/m);
    expect(runtime).toMatch(/^COPY --from=build \/app\/dist \.\/dist$/m);
  });

  it('runs as a user without rights, as process 1, with a health check', () => {
    expect(runtime).toMatch(/^USER node$/m);
    expect(runtime.indexOf('USER')).toBeLessThan(runtime.indexOf('\nCMD'));
    expect(runtime).toMatch(/^HEALTHCHECK .*\/readyz/m);
    expect(runtime).toMatch(/^CMD \["node", "dist\/main.js"\]$/m);
  });

  it('copies named files only', () => {
    const ignored = readFileSync(path.join(ROOT, 'scripts/Dockerfile.dockerignore'), 'utf8');
    expect(ignored).toMatch(/^\*$/m);
    expect(dockerfile).not.toMatch(/^COPY \. /m);
  });
});
