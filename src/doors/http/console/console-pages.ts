/**
 * The files of the console, held in memory: a closed list, read once at start. What is not in it cannot be asked for,
 * whatever the path says.
 */
import { readFileSync } from 'node:fs';
import { createPage } from '../page';
import type { Handler } from '../routes';

/** Nothing inline, nothing from elsewhere, no markup made of text, and nobody may put it in a frame. */
const POLICY = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'"],
  connectSrc: ["'self'"],
  baseUri: ["'none'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
  requireTrustedTypesFor: ["'script'"],
  trustedTypes: ["'none'"],
};

const CONTENT_TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

/** By the path that serves them. They name each other relatively, so that a proxy may put a prefix before them all. */
const FILES: Readonly<Record<string, string>> = {
  '/': ownFile('console.html'),
  '/console/icon.svg': ownFile('icon.svg'),
  '/console/console.css': ownFile('console.css'),
  '/console/forms.css': ownFile('forms.css'),
  '/console/keys.css': ownFile('keys.css'),
  '/console/ring.css': ownFile('ring.css'),
  '/console/watch.css': ownFile('watch.css'),
  '/console/api.js': ownFile('api.js'),
  '/console/commands.js': ownFile('commands.js'),
  '/console/dom.js': ownFile('dom.js'),
  '/console/history.js': ownFile('history.js'),
  '/console/main.js': ownFile('main.js'),
  '/console/nodes.js': ownFile('nodes.js'),
  '/console/plots.js': ownFile('plots.js'),
  '/console/poll.js': ownFile('poll.js'),
  '/console/result.js': ownFile('result.js'),
  '/console/ring.js': ownFile('ring.js'),
  '/console/ring-drawing.js': ownFile('ring-drawing.js'),
  '/console/sign-in.js': ownFile('sign-in.js'),
  '/console/value.js': ownFile('value.js'),
  '/console/uplot.js': require.resolve('uplot/dist/uPlot.esm.js'),
  '/console/uplot.css': require.resolve('uplot/dist/uPlot.min.css'),
};

/** The handlers by path. @throws Error when the build has left files out */
export function createConsolePages(): ReadonlyMap<string, Handler> {
  return new Map(
    Object.entries(FILES).map(([path, file]) => [
      path,
      createPage(readPage(file), contentTypeOf(file), POLICY),
    ]),
  );
}

/** Beside this module: in `src/` as it is, in `dist/` as the build has copied it. */
function ownFile(name: string): string {
  return `${__dirname}/pages/${name}`;
}

function readPage(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new Error('A file of the console is missing: build with `npm run build`, not with tsc alone.', {
      cause,
    });
  }
}

function contentTypeOf(file: string): string {
  const extension = file.slice(file.lastIndexOf('.') + 1);
  for (const [known, type] of Object.entries(CONTENT_TYPES)) if (known === extension) return type;
  throw new Error(`The console has no content type for .${extension}.`);
}
