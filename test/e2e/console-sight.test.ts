/** The console in a real browser, over real shards: what it shows by itself, to whom, and while things are down. */
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { findBrowser, openBrowser } from '../support/browser';
import { holdAnswers, openConsole, type ConsolePage } from '../support/console-page';
import { eventually } from '../support/eventually';
import { findFreePort } from '../support/free-port';
import { startGateway, type Gateway } from '../support/gateway';
import { startShards, type ShardProcesses } from '../support/redis';

/** WCAG 2.2, "contrast ratio", of `#rrggbb` or `rgb(r, g, b)`. */
function contrast(one: string, other: string): number {
  const luminance = (colour: string): number => {
    const parts = colour.startsWith('#')
      ? colour.match(/\w\w/g)!.map((part) => Number.parseInt(part, 16))
      : colour.match(/\d+/g)!.map(Number);
    const [red, green, blue] = parts.map((part) =>
      part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  };
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light! + 0.05) / (dark! + 0.05);
}

const executable = findBrowser();
const describeInBrowser = executable === undefined ? describe.skip : describe;

describeInBrowser('the console (without Chromium on PATH it is not tested)', () => {
  let shards: ShardProcesses[];
  let gateway: Gateway;
  let browser: Browser;
  const opened: ConsolePage[] = [];
  /** Nobody signs in here. */
  let computing: Promise<ConsolePage> | undefined;

  beforeAll(async () => {
    [shards, browser] = await Promise.all([startShards(3, 1), openBrowser(executable!)]);
    gateway = await startGateway({ env: { REDIS_NODES: shards.map(({ setting }) => setting).join(';') } });
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    await gateway.stop();
    await Promise.all(shards.map((shard) => shard.stop()));
  });
  afterEach(async () => {
    const faults = opened.flatMap((each) => each.faults);
    await Promise.all(opened.splice(0).map((each) => each.close()));
    expect(faults).toEqual([]);
  });

  async function open(options?: BrowserContextOptions, of: Gateway = gateway): Promise<ConsolePage> {
    const shown = await openConsole(browser, of, options);
    opened.push(shown);
    await shown.signIn(of.apiKey);
    return shown;
  }

  /** Some traffic to look at. */
  async function visit({ at, set, get, says }: ConsolePage): Promise<void> {
    await at('as-json').check();
    await set('user:42', '{"name": "Ada", "visits": 3, "tags": ["a", "b"]}');
    for (let read = 0; read < 6; read++) await get('user:42');
    await says('ring-facts', 'yes, without end');
    // Figures of one second: whoever looks later has to see to it that something happens.
    await eventually(async () => {
      await get('user:42');
      const figures = /hit rate[\d.]+ %Cache requests per second[\d.]+Latencyp50 [\d.]+ msp99 [\d.]+ ms/;
      return figures.test((await at('plots').textContent()) ?? '');
    }, 10_000);
  }

  it('draws the ring, and marks where the key falls while it is typed', async () => {
    const { page, at, says, shoot } = await open();
    await says('ring-legend', /shard-1[\d.]+ %shard-2[\d.]+ %shard-3[\d.]+ %/);
    const shares = await page.locator('.legend-row .figures').allTextContents();
    expect(shares.reduce((sum, share) => sum + Number.parseFloat(share || '0'), 0)).toBeCloseTo(100, 0);
    const arcs = page.locator('#ring-svg .arc');
    expect(await arcs.count()).toBe(3);

    for (const key of ['a', 'user:1', 'é']) {
      await at('key').fill(key);
      const path = `/ring/${encodeURIComponent(key)}`;
      const { hash, shard, node } = (await gateway.get(path, await gateway.bearer())).json();
      await says('ring-facts', `Key${key}Shard${shard}Read from${node}Storedno`);
      await says('ring-svg', `at point ${hash}`);
      const turn = await page.locator('#ring-svg .needle').getAttribute('transform');
      expect(Number(/[\d.]+/.exec(turn!)![0])).toBeCloseTo((hash / 2 ** 32) * 360, 1);
    }
    expect(await page.locator('#ring-svg .arc.dim').count()).toBe(2);
    await page.getByRole('radio', { name: 'shard-2' }).check();
    expect(await page.locator('#ring-svg .arc.faint').count()).toBe(2);
    await shoot('ring');
    await at('key').fill('');
    await page.locator('#ring-svg .needle').waitFor({ state: 'hidden' });
    await says('ring-svg', '4,294,967,296 points');
    expect(await page.locator('#ring-svg .arc.dim').count()).toBe(0);
  });

  it('an older answer is not shown for a newer key, nor anything else before the newer one’s', async () => {
    const { page, at, says } = await open();
    await says('ring-legend', 'shard-3');
    await at('key').fill('settled');
    await says('ring-facts', /KeysettledShardshard-/);
    const [older, newer] = [await holdAnswers(page, '/ring/older'), await holdAnswers(page, '/ring/newer')];
    await at('key').fill('older');
    expect(await at('ring-facts').textContent()).toBe('KeyolderShard…Read from…Stored…Near cache…');
    await eventually(() => older.held() > 0);
    await at('key').fill('newer');
    await eventually(() => newer.held() > 0);
    const answered = page.waitForResponse('**/ring/older');
    await older.release();
    await (await answered).finished();
    expect(await at('ring-facts').textContent()).toBe('KeynewerShard…Read from…Stored…Near cache…');
    await newer.release();
    await says('ring-facts', /KeynewerShardshard-/);
  });

  it('sees by itself that a value has ended', async () => {
    const { at, says } = await open();
    await at('key').fill('brief');
    await says('ring-facts', 'Storedno');
    await Promise.all(shards.map(({ master }) => master.client.set('brief', 'v', 'PX', 2000)));
    await says('ring-facts', 'yes, ends in 0:0');
    await says('ring-facts', 'Storedno');
  });

  it('shows all else while the ring cannot be had, and the ring when it can', async () => {
    const shown = await openConsole(browser, gateway);
    opened.push(shown);
    const { page, says, expectFailures } = shown;
    expectFailures('/ring', 503);
    const refusal = { status: 'ERROR', code: 'unavailable', message: 'Not now.', request_id: 'r' };
    await page.route('**/ring', (route) => route.fulfill({ status: 503, json: refusal }));
    await page.clock.install();
    await shown.signIn(gateway.apiKey);
    await says('ring-note', 'The ring could not be asked for: Not now.');
    await says('service', 'ring, ready');
    await says('nodes-rows', 'healthy');
    await page.unroute('**/ring');
    await page.clock.runFor(6000);
    await says('ring-legend', 'shard-3');
    await says('ring-note', /^$/);
  });

  it('does not take a fault of its own for one of the service', async () => {
    const { page, says, signIn, faults, close } = await openConsole(browser, gateway);
    await page.route('**/status', (route) => route.fulfill({ json: {} }));
    await signIn(gateway.apiKey);
    await says('service', 'fault of this page, trying again');
    expect(faults[0]).toMatch(/^exception: /);
    await page.unroute('**/status');
    await says('service', 'ring, ready');
    await close();
  });

  it('draws 64 shards with 10,240 arcs in as many shapes as shards, and lets the key’s own stand out', async () => {
    const shown = await openConsole(browser, gateway);
    opened.push(shown);
    const { page, says, shoot } = shown;
    const arcs = Array.from({ length: 10_240 }, (_, index) => [
      Math.floor(((index + 1) * 2 ** 32) / 10_240) - 1,
      (index * 37) % 64,
    ]);
    const names = Array.from({ length: 64 }, (_, index) => `shard-${index + 1}`);
    await page.route('**/ring', (route) => route.fulfill({ json: { size: 2 ** 32, shards: names, arcs } }));
    const placed = { hash: 2 ** 30, shard: 'shard-40', node: 'a:1', near: false, exists: true, ttl: null };
    await page.route('**/ring/*', (route) => route.fulfill({ json: placed }));
    await shown.signIn(gateway.apiKey);
    await says('ring-legend', 'shard-64');
    expect(await page.locator('#ring-svg .arc').count()).toBe(64);
    expect(await page.locator('#ring-svg *').count()).toBeLessThan(64 + 12);
    await shown.at('key').fill('k');
    await says('ring-facts', 'shard-40');
    expect(await page.locator('#ring-svg .arc.dim').count()).toBe(63);
    await shoot('ring-64');
  });

  /** The outcome of a function's body in the page, to which the console's modules are known. */
  async function compute(body: string): Promise<unknown> {
    const { page } = await (computing ??= openConsole(browser, gateway));
    return page.evaluate(`(async () => {
      const { createHistory, dotsOf } = await import('/console/history.js');
      const { stretchesOf } = await import('/console/ring-drawing.js');
      ${body}
    })()`);
  }

  it('computes rates and quantiles from what changed between two looks, and begins anew after a restart', async () => {
    const lists = await compute(`
      const history = createHistory();
      const look = (uptime, hits, misses, counts) => ({
        uptime_seconds: uptime, near: { hits, misses },
        latency: { bounds_ms: [1, 2, 4], counts },
      });
      history.add(look(10, 5, 5, [10, 0, 0, 0]), 1000);
      history.add(look(12, 8, 6, [10, 10, 0, 0]), 1001);
      history.add(look(13, 8, 6, [10, 10, 0, 0]), 1002);
      history.add(look(14, 8, 6, [10, 10, 0, 3]), 1003);
      history.add(look(1, 1, 0, [1, 0, 0, 0]), 1004);
      history.add({ near: { hits: 2, misses: 0 } }, 1005);
      history.add({ near: { hits: 3, misses: 1 } }, 1100);
      const shown = (list) => list.map(String).join(' ');
      return [history.hitRate, history.perSecond, history.p50, history.p99].map(shown);`);
    expect(lists).toEqual([
      '75 null null null 100 null',
      '5 0 3 null null null',
      '1.5 null 4 null null null',
      '1.99 null 4 null null null',
    ]);
  });

  it('puts a dot at the end of a line, and where a measurement stands alone', async () => {
    const dots = await compute(`
      return [[], [null, 3, null, 1, 2, null, null], [1, null, 2, 3], [0]].map((values) => dotsOf(values).join(' '));`);
    expect(dots).toEqual(['', '1', '0 3', '0']);
  });

  it('keeps five minutes, however long it is open', async () => {
    const kept = await compute(`
      const history = createHistory();
      for (let second = 0; second < 400; second++) history.add({ near: { hits: second, misses: 0 } }, second);
      return [history.times.length, history.times[0], history.hitRate.length];`);
    expect(kept).toEqual([301, 99, 301]);
  });

  it('draws a ring from behind its last point, and the slots that nobody has', async () => {
    const [whole, slots] = (await compute(`
      return [
        [...stretchesOf({ size: 128, arcs: [[15, 0], [63, 0]] })],
        [...stretchesOf({ size: 16384, arcs: [[8191, 0], [12287, -1], [16383, 1]] })],
      ];`)) as unknown[];
    expect(whole).toEqual([[0, [[-0.5, 0.5]]]]);
    expect(slots).toEqual([
      [0, [[0, 0.5]]],
      [-1, [[0.5, 0.75]]],
      [1, [[0.75, 1]]],
    ]);
  });

  it('shows the nodes: who is who, how far behind', async () => {
    const { page, says } = await open();
    await says('service', 'ring, ready');
    for (const shard of shards) {
      for (const [{ port }, role] of [
        [shard.master, 'master'],
        [shard.replicas[0]!, 'replica'],
      ] as const) {
        const row = page.locator('#nodes-rows tr', { hasText: `127.0.0.1:${port}` });
        await eventually(async () => (await row.textContent())?.includes(`${shard.name}${role}healthy`));
      }
    }
    expect(await page.locator('#nodes-rows tr').count()).toBe(6);
  });

  it('asks nothing while nobody can see it', async () => {
    const shown = await openConsole(browser, gateway);
    opened.push(shown);
    const { page, says } = shown;
    await page.clock.install();
    await shown.signIn(gateway.apiKey);
    await says('service', 'ready');
    await says('ring-legend', 'shard-3');
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.clock.runFor(1000);
    await eventually(() => asked.some((url) => url.endsWith('/status')));
    const hide = (isHidden: boolean) =>
      page.evaluate(`
        Object.defineProperty(document, 'hidden', { configurable: true, value: ${isHidden} });
        document.dispatchEvent(new Event('visibilitychange'));`);
    await hide(true);
    asked.length = 0;
    await page.clock.runFor(60_000);
    expect(asked).toEqual([]);
    await hide(false);
    await eventually(() => asked.some((url) => url.endsWith('/status')));
  });

  it('says what is wrong while Redis is down, and goes on by itself when it is back', async () => {
    const { at, says, get, set, fact, expectFailures, shoot } = await open();
    await set('before', 'v');
    await says('ring-facts', 'yes, without end');
    const servers = shards.flatMap((shard) => [shard.master, ...shard.replicas]);
    for (const server of servers) server.freeze();
    try {
      expectFailures(/^\/(cache|ring.*)$/, 503, 504);
      await at('consistency').selectOption('strong');
      await get('before');
      expect(await fact('Code')).toMatch(/^(unavailable|timeout)$/);
      await says('service', 'not ready');
      await says('nodes-rows', 'down');
      await says('ring-facts', 'KeybeforeNot located');
      await get('before');
      expect(await fact('Code')).toBe('unavailable');
      expect(await fact('Retry after')).toMatch(/^\d+ s$/);
      expect(await fact('Request')).toMatch(/./);
      await shoot('error');
    } finally {
      for (const server of servers) server.thaw();
    }
    await says('service', 'ring, ready');
    await says('ring-facts', 'yes, without end');
    await eventually(async () => {
      await get('before');
      return (await at('result-status').textContent()) === 'Found';
    }, 15_000);
  });

  it('waits for a service that is away, goes on when it is back, and shows an engine without a ring', async () => {
    const port = String(await findFreePort());
    const env = { PORT: port, JWT_SECRET: 'a secret that the next one has too, long enough' };
    const first = await startGateway({ env });
    const { page, at, says, get, set, fact, expectFailures } = await open({}, first);
    await set('k', 'v');
    await says('ring-note', 'There is no ring');
    await says('ring-facts', 'Stored');
    await says('plots', /second[\d.]+Latency/);
    // Before it goes: the page may be asking in that very moment.
    expectFailures(/^\/(status|cache|ring.*)$/, 'none');
    first.kill('SIGKILL');
    await first.stop();
    await says('service', /no answer, trying again in 2 s/);
    await at('get').click();
    await says('result-status', 'The service does not answer');
    expect(await fact('Code')).toBe('no answer');
    await startGateway({ env });
    await says('service', 'memory, ready');
    await get('k');
    expect(await at('result-status').textContent()).toBe('Not found');
    expect(await page.locator('#plots canvas').count()).toBe(3);
  });

  it('ends the session when the token does, and keeps what was typed for the same key', async () => {
    const shown = await openConsole(browser, gateway);
    opened.push(shown);
    const { page, at, says, signIn } = shown;
    await page.clock.install();
    await signIn(gateway.apiKey);
    await says('service', 'ready');
    await at('key').fill('typed before');
    await page.clock.fastForward('14:55');
    await says('session-ends', /^0:0\d$/);
    await page.clock.fastForward('00:10');
    await says('sign-in-message', 'has expired');
    expect(await at('workspace').isVisible()).toBe(false);
    await signIn(gateway.apiKey);
    expect(await at('key').inputValue()).toBe('typed before');
  });

  it('can be used with the keyboard alone, and always shows where it is', async () => {
    const shown = await openConsole(browser, gateway);
    opened.push(shown);
    const { page, says } = shown;
    const { keyboard } = page;
    const focused = () =>
      page.evaluate<{ name: string; outline: string }>(`(() => {
        const { activeElement: element } = document;
        const { outlineStyle, outlineWidth } = getComputedStyle(element.closest('.legend-row') ?? element);
        return { name: element.id || element.name || element.textContent, outline: outlineStyle + ' ' + outlineWidth };
      })()`);
    expect((await focused()).name).toBe('api-key');
    await keyboard.type(gateway.apiKey);
    await keyboard.press('Enter');
    await says('service', 'ready');
    await says('ring-legend', 'shard-3');
    expect((await focused()).name).toBe('key');
    // What is said in a place that was not there before, not every screen reader reads out.
    expect(await page.evaluate(`document.getElementById('result-status').checkVisibility()`)).toBe(true);
    await keyboard.type('by-keyboard');
    await keyboard.press('Enter');
    await says('result-status', 'Not found');

    const visited: { name: string; outline: string }[] = [];
    for (let stop = 0; stop < 20; stop++) {
      await keyboard.press('Tab');
      visited.push(await focused());
      const { name } = visited.at(-1)!;
      if (name === 'value') {
        await keyboard.type('typed');
        await keyboard.press('Control+Enter');
        await says('result-status', 'Set');
      }
      if (name === 'nodes-body') break;
    }
    expect(visited.map(({ name }) => name)).toEqual([
      ...['consistency', 'get', 'delete', 'as-json', 'value', 'ttl', 'encrypt', 'set', 'shard', 'nodes-body'],
    ]);
    expect(visited.filter(({ outline }) => outline !== 'solid 2px')).toEqual([]);
    await page.locator('#get').focus();
    await keyboard.press('Enter');
    await says('result-value', 'typed');
    for (let stop = 0; stop < 7; stop++) await keyboard.press('Tab');
    expect((await focused()).name).toBe('result-value');
  });

  it('is dark where the reader’s system is, and changes with it', async () => {
    const shown = await open({ colorScheme: 'dark' });
    const { page, shoot } = shown;
    await visit(shown);
    const background = () => page.evaluate(`getComputedStyle(document.body).backgroundColor`);
    const drawn = () => page.evaluate(`document.querySelector('#plots canvas').toDataURL()`);
    expect(await background()).toBe('rgb(14, 18, 23)');
    await shoot('dark');
    const before = await drawn();
    await page.emulateMedia({ colorScheme: 'light' });
    expect(await background()).toBe('rgb(244, 246, 248)');
    expect(await page.locator('#plots canvas').count()).toBe(3);
    // They are drawn anew when the page hears of it, which is not at once.
    await eventually(async () => (await drawn()) !== before);
    const widest = `Math.max(...[...document.querySelectorAll('.plot-area')].map((each) => each.scrollWidth - each.clientWidth))`;
    expect(await page.evaluate(widest)).toBe(0);
    expect(await page.getByRole('heading', { level: 1 }).isVisible()).toBe(true);
    for (const name of ['Near-cache hit rate', 'Cache requests per second', 'Latency'])
      expect(await page.getByRole('figure', { name, exact: true }).count()).toBe(1);
    await shoot('light');
    await page.setViewportSize({ width: 768, height: 900 });
    const tops = `[...document.querySelectorAll('.plot-area')].map((each) => Math.round(each.getBoundingClientRect().top))`;
    expect(new Set(await page.evaluate<number[]>(tops)).size).toBe(1);
    await shoot('tablet');
  });

  it.each(['light', 'dark'] as const)(
    'its edges and faint words stand out where it is %s',
    async (colorScheme) => {
      const shown = await openConsole(browser, gateway, { colorScheme });
      opened.push(shown);
      const style = await shown.page.evaluate<Record<string, string>>(`(() => {
      const root = getComputedStyle(document.documentElement);
      const names = ['--card', '--field', '--edge', '--muted'];
      const placeholder = getComputedStyle(document.getElementById('ttl'), '::placeholder').color;
      return { placeholder, ...Object.fromEntries(names.map((name) => [name, root.getPropertyValue(name).trim()])) };
    })()`);
      for (const behind of [style['--card']!, style['--field']!]) {
        expect(contrast(style['--edge']!, behind)).toBeGreaterThan(3);
        expect(contrast(style['--muted']!, behind)).toBeGreaterThan(4.5);
        expect(contrast(style['placeholder']!, behind)).toBeGreaterThan(4.5);
      }
    },
  );

  it('fits a screen of 360 pixels, whatever the keys and values are', async () => {
    const shown = await open({ viewport: { width: 360, height: 740 }, reducedMotion: 'reduce' });
    const { page, at, set, get, shoot } = shown;
    const width = () => page.evaluate('document.documentElement.scrollWidth');
    await visit(shown);
    expect(await width()).toBe(360);
    await shoot('narrow');
    await at('as-json').uncheck();
    await set('k'.repeat(1000), 'v'.repeat(10_000));
    await get('k'.repeat(1000));
    expect(await width()).toBe(360);
    expect(await page.evaluate(`getComputedStyle(document.querySelector('#get')).transitionDuration`)).toBe(
      '0s',
    );
  });
});
