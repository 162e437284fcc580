/** HTML put together from text that is escaped on its way in, so that nothing can be forgotten. */

/** Markup. What is no `Html` is text. */
export class Html {
  constructor(readonly markup: string) {}
}

type Part = Html | string | number | undefined | readonly Part[];

/** Markup with parts put in; `undefined` is nothing, a list is its parts one after the other. */
export function html(markup: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(markup.reduce((text, next, index) => text + markupOf(parts[index - 1]) + next));
}

/** Our prose: what stands between backticks is code. */
export function prose(text: string): Html {
  const parts = text.split(/(`[^`]+`)/);
  return html`${parts.map((part) =>
    part.startsWith('`') ? html`<code>${part.slice(1, -1)}</code>` : part,
  )}`;
}

function markupOf(part: Part): string {
  if (part === undefined) return '';
  if (part instanceof Html) return part.markup;
  if (typeof part === 'object') return part.map(markupOf).join('');
  return escaped(String(part));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
