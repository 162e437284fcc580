/** README.md taken apart: its fenced blocks, and the sessions that its shell blocks make with what they show. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

const README = readFileSync(path.join(__dirname, '../../README.md'), 'utf8');

export interface ReadmeBlock {
  /** The word behind the opening fence; empty where there is none. */
  readonly language: string;
  readonly text: string;
  /** The last heading above it. */
  readonly heading: string;
  /** Nothing but an empty line lies between it and the block before. */
  readonly isDirectlyAfter: boolean;
}

/** In the order of the page. */
export function readmeBlocks(): ReadmeBlock[] {
  // Prose and blocks take turns.
  const parts = README.split(/^```/m);
  const blocks: ReadmeBlock[] = [];
  let heading = '';
  for (let index = 0; index + 1 < parts.length; index += 2) {
    const [prose = '', fenced = ''] = parts.slice(index, index + 2);
    heading = [...prose.matchAll(/^#+ (.+)$/gm)].at(-1)?.[1] ?? heading;
    const [language = '', ...lines] = fenced.split('\n');
    blocks.push({ language, text: lines.join('\n').trim(), heading, isDirectlyAfter: prose.trim() === '' });
  }
  return blocks;
}

/** README.md outside its blocks. */
export function readmeProse(): string {
  return README.split(/^```/m)
    .filter((_, index) => index % 2 === 0)
    .join('');
}

export interface ReadmeStep {
  readonly heading: string;
  /** A `sh` block. */
  readonly commands: string;
  /** The `json` or `text` block directly after it: what the commands print, as JSON or to the letter. */
  readonly shows: ReadmeBlock | undefined;
}

/** What a reader pastes, in order. */
export function readmeSession(): ReadmeStep[] {
  const blocks = readmeBlocks();
  return blocks.flatMap(({ language, text, heading }, index) => {
    if (language !== 'sh') return [];
    const next = blocks[index + 1];
    const isShown = next?.isDirectlyAfter === true && ['json', 'text'].includes(next.language);
    const shows = isShown ? next : undefined;
    return [{ heading, commands: text, shows }];
  });
}
