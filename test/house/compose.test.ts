/**
 * The container files. No container engine runs where the tests do, so what can be known without one is checked:
 * that the parts fit each other, and that no secret stands in them.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { parseNodes } from '../../src/config/nodes';

const ROOT = path.join(__dirname, '../..');
const composeText = readFileSync(path.join(ROOT, 'docker-compose.yml'), 'utf8');
const dockerfile = readFileSync(path.join(ROOT, 'scripts/Dockerfile'), 'utf8');

interface ComposeService {
  image?: string;
  build?: { context: string; dockerfile: string };
  command?: string;
  env_file?: string;
  environment?: Record<string, unknown>;
  healthcheck?: { test: string };
  depends_on?: Record<string, { condition: string }>;
  ports?: string[];
  volumes?: string[];
}

const compose = parse(composeText, { merge: true }) as { services: Record<string, ComposeService> };
const { ringcache, ...redisServices } = compose.services;
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
      expect(redisServices[host]?.command).toContain(`--replicaof ${shard!.master.host} 6379 `);
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
      expect(service.command).toContain('--requirepass "$$REDISCLI_AUTH"');
      expect(service.environment?.['REDISCLI_AUTH']).toMatch(/^\$\{REDIS_PASSWORD:\?/);
      expect(service.ports).toBeUndefined();
    }
  });

  it('takes secrets from .env alone and mounts the certificates read-only', () => {
    expect(ringcache?.env_file).toBe('.env');
    expect(ringcache?.volumes).toContain('./certs:/app/certs:ro');
    expect(composeText).not.toMatch(/(SECRET|API_KEY|PASSWORD|AUTH|ENCRYPTION_KEYS)\w*(: +|=)['"]?[^\s$'"]/);
  });

  it('builds from the Dockerfile that is there', () => {
    expect(ringcache?.build).toEqual({ context: '.', dockerfile: 'scripts/Dockerfile' });
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
