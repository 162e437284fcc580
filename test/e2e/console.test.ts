/** The console in a real browser, over real shards: sessions, and what can be done with keys. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { runClientCommand } from '../../src/auth/client-command';
import { findBrowser, openBrowser } from '../support/browser';
import { makeFolder } from '../support/child';
import { carriedOut, holdAnswers, openConsole, type ConsolePage } from '../support/console-page';
import { eventually } from '../support/eventually';
import { startGateway, type Gateway } from '../support/gateway';
import { startShard, type ShardProcesses } from '../support/redis';

const MARKUP = '<img src=x onerror=alert(1)>';
const executable = findBrowser();
const describeInBrowser = executable === undefined ? describe.skip : describe;

describeInBrowser('the console (without Chromium on PATH it is not tested)', () => {
  let shard: ShardProcesses;
  let gateway: Gateway;
  let browser: Browser;
  let clientsFile: string;
  /** Clients' keys. */
  let reader: string;
  let leaving: string;
  const opened: ConsolePage[] = [];

  beforeAll(async () => {
    clientsFile = path.join(await makeFolder(), 'clients.json');
    [shard, browser] = await Promise.all([
      startShard({ name: 'main', replicas: 2 }),
      openBrowser(executable!),
    ]);
    reader = await client('add', 'reader', '--scope', 'read', '--prefix', 'mine:');
    leaving = await client('add', 'leaving', '--scope', 'read,write,admin');
    gateway = await startGateway({
      env: {
        REDIS_NODES: shard.setting,
        CLIENTS_FILE: clientsFile,
        ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
        ENCRYPT_VALUES: 'false',
      },
    });
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    await gateway.stop();
    await shard.stop();
  });
  afterEach(async () => {
    const faults = opened.flatMap((each) => each.faults);
    await Promise.all(opened.splice(0).map((each) => each.close()));
    expect(faults).toEqual([]);
  });

  async function open(apiKey?: string): Promise<ConsolePage> {
    const shown = await openConsole(browser, gateway);
    opened.push(shown);
    if (apiKey !== undefined) await shown.signIn(apiKey);
    return shown;
  }

  async function client(...args: string[]): Promise<string> {
    const lines: string[] = [];
    const print = (line: string) => void lines.push(line);
    expect(await runClientCommand(args, { clientsFile, wallMs: Date.now, print, printError: print })).toBe(0);
    return lines.at(-1) ?? '';
  }

  it('sets a key, gets it from Redis and then from near, and deletes it', async () => {
    const { at, says, get, set, fact, page } = await open(gateway.apiKey);
    await says('session-scope', 'read write delete admin');
    await says('session-ends', /^1[45]:\d\d$/);

    await set('greeting', 'hello');
    await says('result-status', 'Set');
    expect(await fact('Size')).toBe('5 bytes');
    expect(await shard.master.client.get('greeting')).toBe('hello');
    await shard.inSync();

    await get('greeting');
    await says('result-status', 'Found');
    expect(await fact('Found in')).toMatch(/^(replica|master)$/);
    expect(await fact('Type')).toBe('text');
    expect(await fact('Took')).toMatch(/^[\d.,]+ ms$/);
    expect(await at('result-value').textContent()).toBe('hello');
    await get('greeting');
    expect(await fact('Found in')).toBe('near cache');
    await at('consistency').selectOption('strong');
    await get('greeting');
    expect(await fact('Found in')).toBe('master');

    await carriedOut(page, () => at('delete').click());
    await says('result-status', 'Deleted');
    expect(await shard.master.client.exists('greeting')).toBe(0);
    await get('greeting');
    await says('result-status', 'Not found');
    expect(await at('result-value').isVisible()).toBe(false);
    await carriedOut(page, () => at('delete').click());
    await says('result-status', 'nothing to delete');
  });

  it('sets with a life, encrypted or not, and JSON with all its digits', async () => {
    const { page, at, says, get, set, fact, expectFailures } = await open(gateway.apiKey);
    await at('ttl').fill('60');
    await at('encrypt').selectOption('true');
    await set('sealed', 'in clear for nobody');
    expect(await shard.master.client.ttl('sealed')).toBeGreaterThan(50);
    expect((await shard.master.client.getBuffer('sealed'))!.includes('in clear')).toBe(false);
    await at('encrypt').selectOption('false');
    await at('ttl').fill('');
    await set('sealed', 'in clear for nobody');
    expect(await shard.master.client.get('sealed')).toBe('in clear for nobody');
    expect(await shard.master.client.ttl('sealed')).toBe(-1);

    await at('as-json').check();
    await set('document', ' {"a": [1, true, null, "é"]} ');
    expect(await fact('Size')).toBe('24 bytes');
    await get('document');
    expect(await fact('Size')).toBe('24 bytes');
    expect(await fact('Type')).toBe('JSON');
    expect(JSON.parse((await at('result-value').textContent())!)).toEqual({ a: [1, true, null, 'é'] });

    expectFailures('/cache', 400);
    await set('document', '12345678901234567890');
    await says('result-status', 'string');
    expect(await fact('Code')).toBe('bad_request');
    expect(await fact('Request')).toMatch(/./);

    // What is no JSON is not sent at all.
    await at('value').fill('{');
    await at('set').click();
    expect(await page.evaluate(`document.getElementById('value').validationMessage`)).toContain('not JSON');
    await at('as-json').uncheck();
    await set('document', '{');
    expect(await shard.master.client.get('document')).toBe('{');
  });

  it('shows markup in keys and values as the text it is', async () => {
    const { page, at, says, get, set, fact, shoot } = await open(gateway.apiKey);
    await set(MARKUP, MARKUP);
    await get(MARKUP);
    expect(await at('result-value').textContent()).toBe(MARKUP);
    expect(await fact('Key')).toBe(MARKUP);
    await says('ring-facts', 'yes, without end');
    expect(await page.locator('img').count()).toBe(1);
    await shoot('markup');
  });

  it('all keys are ordinary ones', async () => {
    const { at, says, get, set } = await open(gateway.apiKey);
    for (const key of ['__proto__', 'a/b?c#d', '%2F', '..', 'é 🦊', '{tag}:x', '\u202egnp.exe']) {
      await set(key, `value of ${key}`);
      await get(key);
      expect(await at('result-value').textContent()).toBe(`value of ${key}`);
      expect(await shard.master.client.get(key)).toBe(`value of ${key}`);
      await says('ring-facts', key === '..' ? 'cannot be asked for in a URL' : 'main');
    }
  });

  it('shows the beginning of a long value, and all of it when asked to', async () => {
    const { page, at, get, set, fact, shoot } = await open(gateway.apiKey);
    const long = 'ä'.repeat(512 * 1024);
    await set('long', long);
    expect(await fact('Size')).toBe('1 MiB');
    await get('long');
    expect(await fact('Size')).toBe('1 MiB');
    expect((await at('result-value').textContent())!.length).toBe(4096);
    await page.getByRole('button', { name: 'Show all' }).click();
    expect(await at('result-value').textContent()).toBe(long);
    const box = await at('result-value').boundingBox();
    expect(box!.height).toBeLessThan(400);
    await shoot('long');
    // It never cuts a character in two.
    await set('foxes', `a${'🦊'.repeat(3000)}`);
    await get('foxes');
    expect(await at('result-value').textContent()).toBe(`a${'🦊'.repeat(2047)}`);
  });

  it('shows no more of a vast text than a page can bear, and hands out all of it', async () => {
    const { page, at, get } = await open(gateway.apiKey);
    const vast = 'x'.repeat(2 * 1024 * 1024);
    await shard.master.client.set('vast', vast);
    await shard.inSync();
    await get('vast');
    await page.getByRole('button', { name: 'Show the first 1,048,576 characters' }).click();
    expect((await at('result-value').textContent())!.length).toBe(1024 * 1024);
    expect(await at('result-actions').textContent()).toContain('Only the beginning is shown.');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('value.txt');
    expect(await readFile(await download.path(), 'utf8')).toBe(vast);
  });

  it('carries out one command at a time, and shows no old result meanwhile', async () => {
    const { page, at, says, get, set } = await open(gateway.apiKey);
    await set('shown', 'an old value');
    await get('shown');
    const answers = await holdAnswers(page, '/cache');
    await at('key').fill('late');
    await at('get').click();
    await says('result-status', 'Getting …');
    expect(await page.locator('body').textContent()).not.toContain('an old value');
    expect(await at('set').getAttribute('aria-disabled')).toBe('true');
    for (const id of ['get', 'delete', 'set']) await at(id).click({ force: true });
    await answers.release();
    await says('result-status', 'Not found');
    expect(answers.held()).toBe(1);
    expect(await at('set').getAttribute('aria-disabled')).toBe('false');
    expect(await shard.master.client.exists('late')).toBe(0);
  });

  it('says that a change may stand whose answer was lost', async () => {
    const { page, at, says, set, get, expectFailures } = await open(gateway.apiKey);
    expectFailures('/cache', 'none');
    await page.route('**/cache', async (route) => {
      await route.fetch();
      await route.abort();
    });
    await at('key').fill('in-doubt');
    await at('value').fill('written');
    await at('set').click();
    await says('result-status', 'does not answer. It may have been carried out.');
    expect(await shard.master.client.get('in-doubt')).toBe('written');
    await at('get').click();
    await says('result-status', /does not answer\.$/);
    await page.unroute('**/cache');
    await set('in-doubt', 'once more');
    await get('in-doubt');
  });

  it('reads of a session see what its writes were told, others know no session', async () => {
    const { page, at, set, get } = await open(gateway.apiKey);
    const sent: (string | undefined)[] = [];
    const brought: (string | undefined)[] = [];
    page.on('response', (response) => {
      if (!response.url().endsWith('/cache')) return;
      sent.push(response.request().headers()['ringcache-session']);
      brought.push(response.headers()['ringcache-session']);
    });
    await set('of-session', '1');
    await at('consistency').selectOption('session');
    await get('of-session');
    await at('consistency').selectOption('eventual');
    await get('of-session');
    expect(sent).toEqual(['', brought[0], undefined]);
    expect(brought[0]).toMatch(/^[\w-]{20,}$/);
  });

  it('refuses a pasted key that it could not hold', async () => {
    const { page, at } = await open(gateway.apiKey);
    await at('value').fill('two\nlines');
    await at('value').press('Control+a');
    await at('value').press('Control+c');
    await at('key').press('Control+v');
    expect(await at('key').inputValue()).toBe('');
    expect(await page.evaluate(`document.getElementById('key').validationMessage`)).toContain('line break');
    await at('key').fill('usable');
    await carriedOut(page, () => at('get').click());
  });

  it('shows nobody an answer that comes after signing out, and asks nothing more', async () => {
    await shard.master.client.set('late', 'a late value');
    const { page, at, says } = await open(gateway.apiKey);
    await says('service', 'ready');
    const answers = await holdAnswers(page, '/cache');
    await at('key').fill('late');
    await at('get').click();
    await eventually(() => answers.held() === 1);
    const asked: string[] = [];
    await page.clock.install();
    await at('sign-out').click();
    await at('sign-in').waitFor();
    page.on('request', (request) => asked.push(request.url()));
    await answers.release();
    await eventually(async () => (await at('result').getAttribute('aria-busy')) === 'false');
    expect(await page.locator('body').textContent()).not.toContain('a late value');
    await page.clock.runFor(10_000);
    expect(asked).toEqual([]);
    await shard.master.client.del('late');
  });

  it('signs out when the browser puts the page away', async () => {
    const { page, at } = await open(gateway.apiKey);
    await at('key').fill('typed');
    await page.evaluate(`dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))`);
    expect(await at('sign-in').isVisible()).toBe(true);
    expect(await at('key').inputValue()).toBe('');
  });

  it('forbids itself markup made of text', async () => {
    const { page, close } = await openConsole(browser, gateway);
    await expect(page.evaluate(`document.createElement('div').innerHTML = '<b>'`)).rejects.toThrow(
      'TrustedHTML',
    );
    await close();
  });

  it('shows bytes as a dump, and hands them out as a file', async () => {
    const { page, at, get, fact, shoot } = await open(gateway.apiKey);
    const bytes = Buffer.from(Array.from({ length: 2000 }, (_, index) => (index * 7) % 256));
    await shard.master.client.set('bytes', bytes);
    await shard.inSync();
    await get('bytes');
    expect(await fact('Type')).toBe('binary');
    expect(await fact('Size')).toBe('1.95 KiB');
    const lines = (await at('result-value').textContent())!.split('\n');
    expect(lines[0]).toMatch(/^00000000 {2}00 07 0e 15 1c 23 2a 31( [0-9a-f]{2})* {2}\|\.\.\.\.\.#\*1/);
    await page.getByRole('button', { name: 'Show all' }).click();
    expect((await at('result-value').textContent())!.split('\n').length).toBeGreaterThan(lines.length);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('value.bin');
    expect(await readFile(await download.path())).toEqual(bytes);
    await shoot('bytes');
  });

  it('a wrong key stays outside, and is told why', async () => {
    const { page, at, says, expectFailures } = await open();
    expect(await at('api-key').getAttribute('type')).toBe('password');
    expectFailures('/login', 401);
    await at('api-key').fill('wrong-key-of-24-characters');
    await page.keyboard.press('Enter');
    await says('sign-in-message', 'not known');
    expect(await at('workspace').isVisible()).toBe(false);
  });

  it('keeps the token in memory alone, and nothing at all after signing out', async () => {
    const { page, at, get, set, signIn } = await open();
    const urls: string[] = [];
    page.on('request', (request) => urls.push(request.url()));
    const login = page.waitForResponse('**/login');
    await signIn(gateway.apiKey);
    const { access_token: token } = (await (await login).json()) as { access_token: string };
    await set('kept', 'a value');
    await get('kept');
    expect(await page.evaluate(`[location.href, history.state, window.name]`)).toEqual([
      `${gateway.origin}/`,
      null,
      '',
    ]);
    expect(gateway.lines.length).toBeGreaterThan(0);
    for (const text of [...urls, ...gateway.lines, ...gateway.errorLines]) {
      expect(text).not.toContain(gateway.apiKey);
      expect(text).not.toContain(token);
    }
    const stored = await page.evaluate(
      `Promise.all([document.cookie, localStorage.length, sessionStorage.length, indexedDB.databases(), caches.keys()])`,
    );
    expect(stored).toEqual(['', 0, 0, [], []]);
    expect(await page.context().cookies()).toEqual([]);
    expect(await at('api-key').inputValue()).toBe('');
    await at('sign-out').click();
    await at('sign-in').waitFor();
    expect(await at('workspace').isVisible()).toBe(false);
    expect(await page.locator('body').textContent()).not.toContain('a value');
    expect(await at('key').inputValue()).toBe('');
    await page.reload();
    expect(await at('sign-in').isVisible()).toBe(true);
  });

  it('a client without admin has its keys, and hears what the rest needs', async () => {
    await shard.master.client.set('mine:1', 'readable');
    await shard.inSync();
    const { at, says, get, fact, expectFailures, shoot } = await open(reader);
    for (const id of ['ring-note', 'traffic-note', 'nodes-note']) await says(id, 'needs the scope admin');
    expect(await at('set').isDisabled()).toBe(true);
    expect(await at('delete').isDisabled()).toBe(true);
    await says('rights', 'Not in this client’s scope: write, delete');
    await get('mine:1');
    expect(await at('result-value').textContent()).toBe('readable');
    expectFailures('/cache', 403);
    await get('others:1');
    expect(await fact('Code')).toBe('forbidden');
    await shoot('reader');
  });

  it('a revoked token brings the form back, and who signs in with another key finds nothing typed', async () => {
    const { page, at, says, set, get, expectFailures } = await open(leaving);
    await at('ttl').fill('90');
    await set('mine', 'typed before');
    await client('revoke', 'leaving');
    expectFailures(/^\/(status|cache|ring.*)$/, 401);
    // The page asks each second by itself.
    await says('sign-in-message', 'expired or was revoked');
    expect(await at('workspace').isVisible()).toBe(false);
    expect(await page.evaluate('document.activeElement.id')).toBe('api-key');

    await at('api-key').fill(gateway.apiKey);
    await page.keyboard.press('Enter');
    await at('workspace').waitFor();
    for (const id of ['key', 'value', 'ttl']) expect(await at(id).inputValue()).toBe('');
    await get('mine');
    expect(await at('result-value').textContent()).toBe('typed before');
  });
});
