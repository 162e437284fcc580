/**
 * The container files. No container engine runs where the tests do, so what can be known without one is checked:
 * that the parts fit each other, and that no secret stands in them.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { parseMasters, parseNodes, parseSeeds, parseSentinels } from '../../src/config/nodes';

const ROOT = path.join(__dirname, '../..');
const composeText = readFileSync(path.join(ROOT, 'docker-compose.yml'), 'utf8');
const dockerfile = readFileSync(path.join(ROOT, 'scripts/Dockerfile'), 'utf8');

interface ComposeService {
  image?: string;
  user?: string;
  profiles?: string[];
  build?: { context: string; dockerfile: string };
  command?: string[];
  env_file?: string;
  environment?: Record<string, unknown>;
  healthcheck?: { test: string };
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
