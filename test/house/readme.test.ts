/**
 * README.md promises nothing unproven: its shell blocks are run by `test/e2e/readme.test.ts`, and every other command
 * in it is known here by name, with the file that proves it. A new one must find its proof first.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Express } from 'express';
import type { Test } from 'supertest';
import { SCOPES } from '../../src/core/grants';
import { type HttpDoor, openHttpDoor, request } from '../support/http-door';
import { readmeBlocks, readmeProse } from '../support/readme';

const ROOT = path.join(__dirname, '../..');

const PROVEN_IN: Readonly<Record<string, string>> = {
  // A copy: the commit that a clone would hold is not made yet.
  'git clone <this repository> ringcache && cd ringcache': 'test/support/fresh-clone.ts',
  'npm start': 'test/e2e/start.test.ts',
  'GRPC_PORT=50051 npm start': 'test/e2e/readme.test.ts',
  'RESP_PORT=6380 npm start': 'test/e2e/readme.test.ts',
  'RESP_PORT=6380 RESP_TLS=true npm start': 'test/e2e/readme.test.ts',
  'redis-cli -p 6380 --tls --cacert certs/cert.pem PING': 'test/e2e/readme.test.ts',
  // As the test starts it.
  "redis-server --port 6390 --save '' --daemonize yes": 'test/support/redis.ts',
  'ENGINE=replicated REPLICATION_URL=redis://localhost:6390 PORT=8001 npm start':
    'test/e2e/replicated-service.test.ts',
  'ENGINE=replicated REPLICATION_URL=redis://localhost:6390 PORT=8002 npm start':
    'test/e2e/replicated-service.test.ts',
  // This very run; on a clean checkout:
  'npm test': '.ci/run',
  // There is no container engine here.
  'docker compose up': 'test/house/compose.test.ts',
  'docker compose --profile metrics up': 'test/house/compose.test.ts',
  'docker compose up ringcache-cluster': 'test/house/compose.test.ts',
  'docker compose up ringcache-sentinel': 'test/house/compose.test.ts',
  'docker compose exec ringcache node dist/main.js client add web': 'test/house/compose.test.ts',
  'docker compose exec ringcache node dist/main.js rewrap': 'test/house/compose.test.ts',
  'npm run bench': 'test/e2e/readme.test.ts',
  'npm run client': 'test/e2e/readme.test.ts',
  'npm run rewrap': 'test/e2e/readme.test.ts',
  'openssl rand -base64 32': 'test/e2e/readme.test.ts',
  // Its first half is the first step of `npm start` in start.test.ts.
  'npm ci && npm run build': 'test/e2e/readme.test.ts',
  'node dist/main.js': 'test/e2e/service.test.ts',
};

const blocks = readmeBlocks();

/** The lines of the `console` blocks, and what stands as a command in the prose. */
function namedCommands(): string[] {
  const lines = blocks
    .filter(({ language }) => language === 'console')
    .flatMap(({ text }) => text.split('\n'));
  const inline = [...readmeProse().matchAll(/`([^`\n]+)`/g)]
    .map(([, code = '']) => code)
    .filter((code) => /^(npm|npx|node|git|docker|openssl|curl|redis-\w+|scripts\/\S+) ./.test(code));
  return [...new Set([...lines, ...inline])];
}

it('each command of the README outside its shell blocks has its proof, and each proof its command', () => {
  expect(namedCommands().sort()).toEqual(Object.keys(PROVEN_IN).sort());
  expect(Object.values(PROVEN_IN).filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
});

it('the README has blocks to run, what they print, commands known by name, and pictures', () => {
  const languages = new Set(blocks.map(({ language }) => language));
  expect([...languages].sort()).toEqual(['', 'console', 'json', 'sh', 'text']);
  const unproven = blocks.filter(
    ({ language, isDirectlyAfter }, index) =>
      ['json', 'text'].includes(language) && !(isDirectlyAfter && blocks[index - 1]?.language === 'sh'),
  );
  expect(unproven).toEqual([]);
});

it('each script that the README runs is one of package.json', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const text = [readmeProse(), ...blocks.map((block) => block.text)].join('\n');
  const named = [...text.matchAll(/\bnpm run (?:-\S+ )*([a-z]+)/g)].map(([, name]) => name);
  expect(named).toContain('client');
  expect([...new Set(named)].filter((name) => !Object.hasOwn(scripts, name!))).toEqual([]);
});

it('each link of the README to a file leads to one', () => {
  const targets = [...readmeProse().matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target = '']) => target);
  expect(targets.length).toBeGreaterThan(0);
  expect(targets.filter((target) => !existsSync(path.join(ROOT, target)))).toEqual([]);
});

describe('the table of routes', () => {
  let door: HttpDoor;
  beforeAll(async () => {
    door = await openHttpDoor();
  });
  afterAll(() => door.close());

  /** A value that is good for a route that has the parameter. */
  const PARAMETERS = { ttl: '1', encrypt: 'false', ack: '0', consistency: 'strong' };

  const send = ({ method, target }: ToldRoute, token: string | undefined, query = ''): Test => {
    const separator = target.includes('?') ? '&' : '?';
    const name = method.toLowerCase() as 'get' | 'post' | 'put' | 'delete';
    const sent = request(door)[name](target + (query === '' ? '' : separator + query));
    if (token !== undefined) void sent.auth(token, { type: 'bearer' });
    // A WRITE, two pairs, and a value of its own: each route that takes a body takes this one.
    if (method === 'POST') return sent.send({ key: 'key', value: 'value' });
    return method === 'PUT' ? sent.type('application/octet-stream').send('value') : sent;
  };

  it('has each route of the application with its methods, and no other', () => {
    const told = new Set(toldRoutes().map(({ method, path: pattern }) => `${method} ${pattern}`));
    expect([...told].sort()).toEqual(servedRoutes(door.app).sort());
  });

  const cases = toldRoutes().map((route) => [`${route.method} ${route.target}`, route] as const);

  it.each(cases)('%s needs the scope that stands there', async (_name, route) => {
    const { scope } = route;
    const anonymous = (await send(route, undefined)).status;
    if (scope === 'no token') {
      // The login's body is no login, which is 400.
      expect([200, 400]).toContain(anonymous);
      return;
    }
    expect(anonymous).toBe(401);
    if (scope === 'by command') return;
    const others = SCOPES.filter((each) => each !== scope);
    expect((await send(route, door.tokenWith(others))).status).toBe(403);
    expect([200, 201, 404]).toContain((await send(route, door.tokenWith([scope as never]))).status);
  });

  it.each(cases.filter(([, { scope }]) => ['read', 'write', 'delete'].includes(scope)))(
    '%s takes the query parameters that stand there, and no other',
    async (_name, route) => {
      for (const [name, value] of Object.entries(PARAMETERS)) {
        const { status } = await send(route, door.token, `${name}=${value}`);
        expect([name, status !== 400]).toEqual([name, route.query.includes(name)]);
      }
    },
  );
});

interface ToldRoute {
  readonly method: string;
  /** As the README writes it, without a query. */
  readonly path: string;
  /** With a key in it. */
  readonly target: string;
  readonly scope: string;
  readonly query: readonly string[];
}

/** A cell of the table may have several routes. HEAD goes with every GET. */
function toldRoutes(): ToldRoute[] {
  const table = /^\| route +\|[^]*?\n\n/m.exec(readmeProse())?.[0] ?? '';
  const codeIn = (cell: string | undefined): string[] =>
    [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
  return table
    .split('\n')
    .slice(2)
    .filter((row) => row !== '')
    .flatMap((row) => {
      const [, routes, scope = '', query] = row.split('|');
      return codeIn(routes).map((code) => {
        const [method = '', target = ''] = code.split(' ');
        return {
          method,
          path: target.split('?')[0] ?? '',
          target: target.replace('{key}', 'key'),
          scope: scope.replaceAll('`', '').trim(),
          query: codeIn(query),
        };
      });
    });
}

/** What the application has, without the files that its pages ask for. */
function servedRoutes(app: Express): string[] {
  const routes = app.router.stack.flatMap(({ route }) => (route === undefined ? [] : [route]));
  return routes
    .filter((route) => !/\.(css|js|svg)$/.test(route.path))
    .flatMap((route) => {
      const methods = route.stack.map(({ method }) => method as string | undefined);
      const pattern = route.path.replace(':key', '{key}');
      return methods.flatMap((method) =>
        method === undefined ? [] : [`${method.toUpperCase()} ${pattern}`],
      );
    });
}
