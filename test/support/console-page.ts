/** The console of a gateway in a real browser, as a person uses it. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Browser, BrowserContextOptions, Locator, Page, Route } from 'playwright-core';
import { openPage, type WatchedPage } from './browser';
import { eventually } from './eventually';
import type { Gateway } from './gateway';

const SHOTS = path.join(__dirname, '../output/console');

export interface ConsolePage extends WatchedPage {
  readonly page: Page;
  /** By the element's id. */
  readonly at: (id: string) => Locator;
  /** Waits until the element says that. */
  readonly says: (id: string, text: string | RegExp) => Promise<void>;
  readonly signIn: (apiKey: string) => Promise<void>;
  readonly get: (key: string) => Promise<void>;
  readonly set: (key: string, value: string) => Promise<void>;
  /** Of the result: the fact with that name. */
  readonly fact: (name: string) => Promise<string>;
  /** Leaves a picture of the whole page in `test/output/console`. */
  readonly shoot: (name: string) => Promise<void>;
}

/** Opens the page; nobody has signed in yet. */
export async function openConsole(
  browser: Browser,
  gateway: Pick<Gateway, 'origin'>,
  options: BrowserContextOptions = {},
): Promise<ConsolePage> {
  const watched = await openPage(browser, { viewport: { width: 1280, height: 900 }, ...options });
  const { page } = watched;
  await page.goto(gateway.origin);
  const at = (id: string): Locator => page.locator(`#${id}`);
  const says = (id: string, text: string | RegExp): Promise<void> =>
    eventually(async () => {
      const said = (await at(id).textContent()) ?? '';
      if (typeof text === 'string' ? said.includes(text) : text.test(said)) return true;
      throw new Error(`#${id} says: ${said.slice(0, 200)}`);
    }, 10_000).then(() => undefined);
  return {
    ...watched,
    at,
    says,
    signIn: async (apiKey) => {
      await at('api-key').fill(apiKey);
      await page.keyboard.press('Enter');
      await at('workspace').waitFor();
    },
    get: async (key) => {
      await at('key').fill(key);
      await carriedOut(page, () => at('get').click());
    },
    set: async (key, value) => {
      await at('key').fill(key);
      await at('value').fill(value);
      await carriedOut(page, () => at('set').click());
    },
    fact: async (name) =>
      (await page
        .locator('#result-facts div', { has: page.locator(`dt:text-is("${name}")`) })
        .locator('dd')
        .textContent()) ?? '',
    shoot: async (name) => {
      mkdirSync(SHOTS, { recursive: true });
      await page.screenshot({ path: path.join(SHOTS, `${name}.png`), fullPage: true });
    },
  };
}

/**
 * Lets no request to `path` be answered until `release`, and counts them. What is then answered is what the service
 * would say.
 */
export async function holdAnswers(
  page: Page,
  path: string,
): Promise<{ readonly held: () => number; readonly release: () => Promise<void> }> {
  const routes: Route[] = [];
  const hold = (route: Route): void => void routes.push(route);
  await page.route(`**${path}`, hold);
  return {
    held: () => routes.length,
    release: async () => {
      await page.unroute(`**${path}`, hold);
      // One that was given up is answered by nobody.
      await Promise.allSettled(routes.map((route) => route.continue()));
    },
  };
}

/** Does something that sends a command, and waits until its outcome is shown. */
export async function carriedOut(page: Page, act: () => Promise<unknown>): Promise<void> {
  const answered = page.waitForResponse((response) => new URL(response.url()).pathname === '/cache');
  await act();
  await answered;
  await page.locator('#result[aria-busy="false"]').waitFor();
}
