/**
 * A real browser for tests of pages: Chromium, found on PATH. A page is watched for all that it should not do, and
 * answers that a test expects to be failures are told apart from faults of the page, one by one.
 */
import {
  chromium,
  type Browser,
  type BrowserContextOptions,
  type ConsoleMessage,
  type Page,
} from 'playwright-core';
import { findCommand } from './find-command';
import { stopAfterTests } from './leftovers';

const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome'];
/** For whatever a test waits for in a page. */
const WAIT_MS_MAX = 10_000;

/** Full path of the browser. @throws in CI, where nothing is skipped; undefined elsewhere when there is none */
export function findBrowser(): string | undefined {
  const found = findCommand(...COMMANDS);
  if (found !== undefined) return found;
  if (process.env['CI']) throw new Error(`there is no browser on PATH: ${COMMANDS.join(', ')}`);
  return undefined;
}

export async function openBrowser(executablePath: string): Promise<Browser> {
  const isRoot = process.getuid?.() === 0;
  const browser = await chromium.launch({ executablePath, args: isRoot ? ['--no-sandbox'] : [] });
  stopAfterTests(() => browser.close());
  return browser;
}

export interface WatchedPage {
  readonly page: Page;
  /** What the page did wrong so far: errors and warnings in its console, exceptions, violations of its policy. */
  readonly faults: readonly string[];
  /** From now on the browser may say that `path` was answered with `status`, or not at all (`none`). */
  readonly expectFailures: (path: string | RegExp, ...statuses: readonly (number | 'none')[]) => void;
  readonly close: () => Promise<void>;
}

/** A page of its own, without cookies or cache of others. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  context.setDefaultTimeout(WAIT_MS_MAX);
  const page = await context.newPage();
  const faults: string[] = [];
  const expected: { path: string | RegExp; statuses: readonly (number | 'none')[] }[] = [];

  const isExpected = (message: ConsoleMessage): boolean => {
    const status = networkStatusOf(message);
    if (status === undefined) return false;
    const { pathname } = new URL(message.location().url);
    return expected.some(
      ({ path: known, statuses }) =>
        statuses.includes(status) && (typeof known === 'string' ? known === pathname : known.test(pathname)),
    );
  };
  page.on('console', (message) => {
    if (!['error', 'warning', 'assert'].includes(message.type()) || isExpected(message)) return;
    faults.push(`${message.type()}: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`));
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  // Text, since the tests know no types of the browser's.
  await page.addInitScript({
    content: `addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) =>
      console.error('policy violated:', effectiveDirective, blockedURI));`,
  });
  return {
    page,
    faults,
    expectFailures: (known, ...statuses) => void expected.push({ path: known, statuses }),
    close: () => context.close(),
  };
}

/**
 * The status in the line that the browser itself writes for each answer of 400 and above, `none` where there was no
 * answer; undefined for all other lines. A page cannot keep the browser from writing it.
 */
function networkStatusOf(message: ConsoleMessage): number | 'none' | undefined {
  const text = message.text();
  if (message.type() !== 'error' || !text.startsWith('Failed to load resource: ')) return undefined;
  const status = /the server responded with a status of (\d{3}) /.exec(text)?.[1];
  if (status !== undefined) return Number(status);
  return text.includes('net::ERR_') ? 'none' : undefined;
}
