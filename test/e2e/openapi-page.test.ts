/** The lines that `/docs` shows, each pasted into a shell as it stands but for the port, against the built program. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { OpenApi } from '../../src/doors/http/docs/open-api';
import { type Gateway, startGateway } from '../support/gateway';
import { operationsOf } from '../support/openapi-rig';

const ENTITIES: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&amp;': '&',
};

/** One after the other the lines write, read and delete the same key; under these operations it is gone, or new. */
const OTHER_THAN_200: Readonly<Record<string, readonly number[]>> = {
  // `POST /cache` ends with the DELETE.
  getValue: [404],
  putValue: [201, 200],
  // `DELETE /cache/{key}` is in between.
  lookUp: [404],
};

const folder = mkdtempSync(path.join(tmpdir(), 'ringcache-docs-'));
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ env: { SNAPSHOT_FILE: path.join(folder, 'snapshot') } });
});
afterAll(async () => {
  await gateway.stop();
  rmSync(folder, { recursive: true });
});

/** The shell lines of one operation, in their order. */
function linesOf(page: string, operationId: string): string[] {
  const [, from = ''] = page.split(`<article id="${operationId}">`);
  const [article = ''] = from.split('</article>');
  return [...article.matchAll(/<pre[^>]*><code>([\s\S]*?)<\/code><\/pre>/g)].map(([, text = '']) =>
    text.replace(/&(?:lt|gt|quot|#39|amp);/g, (entity) => ENTITIES[entity] ?? entity),
  );
}

async function statusOf(line: string, token: string): Promise<number> {
  const command = line.replaceAll('localhost:8000', `127.0.0.1:${gateway.port}`);
  const { stdout } = await promisify(execFile)('bash', ['-c', `${command} -w '\\n%{http_code}'`], {
    env: { ...process.env, AT: token, API_KEY: gateway.apiKey },
    timeout: 10_000,
  });
  return Number(stdout.slice(stdout.lastIndexOf('\n') + 1));
}

it('each line works, and is answered with a status that is described', async () => {
  const page = (await gateway.get('/docs')).body.toString();
  const document = (await gateway.get('/openapi.json')).json() as OpenApi;
  const token = await gateway.login();
  for (const { method, operation } of operationsOf(document)) {
    if (method === 'head') continue;
    const { operationId, responses } = operation;
    const lines = linesOf(page, operationId);
    const statuses: number[] = [];
    for (const line of lines) statuses.push(await statusOf(line, token));
    const due = OTHER_THAN_200[operationId] ?? lines.map(() => 200);
    expect({ operationId, statuses }).toEqual({ operationId, statuses: due });
    expect(statuses).not.toEqual([]);
    expect(Object.keys(responses)).toEqual(expect.arrayContaining(statuses.map(String)));
  }
}, 60_000);
