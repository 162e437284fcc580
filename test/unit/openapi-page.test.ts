/** The page made from the description: all of it, and nothing that its policy for content would not let pass. */
import { createOpenApi } from '../../src/doors/http/docs/create-open-api';
import { renderDocsPage } from '../../src/doors/http/docs/docs-page';
import { METHODS, type OpenApi } from '../../src/doors/http/docs/open-api';
import { USUAL_LIMITS } from '../support/usual-limits';

const document = createOpenApi(USUAL_LIMITS);
const page = renderDocsPage(document, 'docs/docs.css');

/** Tags that have no end. */
const VOID = ['!doctype', 'meta', 'link'];

it('tells every operation and every schema, under an anchor of its own', () => {
  const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const operations = Object.values(document.paths).flatMap((item) =>
    METHODS.filter((method) => method !== 'head').flatMap((method) => item[method]?.operationId ?? []),
  );
  const schemas = Object.keys(document.components.schemas).map((name) => `schema-${name}`);
  expect(ids).toEqual(expect.arrayContaining([...operations, ...schemas]));
});

it('has no link within it that leads nowhere', () => {
  const targets = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id);
  expect(targets.length).toBeGreaterThan(20);
  expect(targets.filter((id) => !page.includes(` id="${id}"`))).toEqual([]);
});

it('has no script, no style of its own, no handler and nothing from elsewhere', () => {
  expect(page).not.toMatch(/<script|<style|<img|<iframe|<form| style=| on\w+="/i);
  const targets = [...page.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, target]) => target ?? '');
  expect(targets.filter((target) => /^(?:\w+:|\/)/.test(target))).toEqual([]);
});

it('closes what it opens', () => {
  const open: string[] = [];
  for (const [, slash, name = ''] of page.matchAll(/<(\/?)([!\w]+)[^>]*>/g)) {
    if (VOID.includes(name)) continue;
    if (slash === '') open.push(name);
    else expect(open.pop()).toBe(name);
  }
  expect(open).toEqual([]);
});

it('takes nothing of the description for markup', () => {
  const [tag] = document.tags;
  const hostile = '<b onclick="x">&\'`<i>`';
  const spoiled: OpenApi = {
    ...document,
    info: { ...document.info, description: hostile },
    tags: [{ ...tag!, description: hostile }],
  };
  const spoiledPage = renderDocsPage(spoiled, 'docs/docs.css');
  expect(spoiledPage).toContain('&lt;b onclick=&quot;x&quot;&gt;&amp;&#39;<code>&lt;i&gt;</code>');
  expect(spoiledPage).not.toMatch(/<b |<i>/);
});

it('shows a line to paste for each example, quoted for the shell', () => {
  expect(page).toContain(
    '&#39;{&quot;command&quot;:&quot;READ&quot;,&quot;key&quot;:&quot;my_key&quot;}&#39;',
  );
  expect(page).toContain('https://localhost:8000/cache/my_key');
  expect(page).toContain('https://localhost:8000/?key=my_key');
  expect(page).toContain('https://localhost:8000/cache/my_key?ttl=60');
});

it.each([
  ['livez', 'getLive', 'Open to all.'],
  ['a command', 'execute', 'Needs a bearer token.'],
  ['a READ', 'getValue', 'Needs a bearer token with read.'],
  [
    'the console and the look-up at one path',
    'lookUp',
    'Takes a bearer token with read; answers without a token too.',
  ],
])('says of %s who may ask', (_name, operationId, words) => {
  const [, article = ''] = page.split(`<article id="${operationId}">`);
  const [, rights = ''] = /<p class="rights">([\s\S]*?)<\/p>/.exec(article) ?? [];
  expect(
    rights
      .replace(/<[^>]+>/g, '')
      .replace(/\s+/g, ' ')
      .trim(),
  ).toMatch(new RegExp(`^${words}`));
});
