/** Pipelines of valid requests over few keys, so that commands of all kinds meet on one key. */
import type { Random } from '../../torture/random';
import { makeCuts } from './byte-sequences';
import {
  encodeInline,
  encodeRequest,
  keysOf,
  type FuzzCase,
  type FuzzUnit,
  type Likeness,
} from './fuzz-case';
import { COMMANDS, WORDS, type CommandRow } from './pipeline-commands';

const COMMANDS_MAX = 24;
/** They block for 10 ms, perhaps several times, and come to an end: nothing is ever waited for. */
const QUIET_MS = 1000;

/** Within a transaction the elements of EXEC's reply are compared to the letter. */
const EXACT = COMMANDS.filter(({ likeness }) => likeness === 'bytes');

export function makePipeline(random: Random, lane: number, index: number): FuzzCase {
  const units: FuzzUnit[] = [];
  const add = (words: readonly string[], likeness: Likeness): void => {
    const canBeInline = random.chance(0.1);
    units.push({ bytes: canBeInline ? encodeInline(words) : encodeRequest(words), likeness });
  };
  const addRow = ({ words, likeness }: CommandRow): void =>
    add(
      words.split(' ').map((word) => fill(random, lane, word)),
      likeness,
    );

  if (random.chance(0.3)) add(['HELLO', random.pick(['2', '3', '3'])], 'class');
  const count = 1 + Math.floor(random.next() ** 2 * COMMANDS_MAX);
  while (units.length < count) {
    if (random.chance(0.92)) addRow(random.pick(COMMANDS));
    else addTransaction();
  }
  return {
    name: `pipeline ${index}`,
    units,
    quietMs: QUIET_MS,
    ownsItsKeys: true,
    isAuthenticated: true,
    cuts: makeCuts(random),
  };

  function addTransaction(): void {
    const key = random.pick(keysOf(lane));
    if (random.chance(0.4)) add(['WATCH', key], 'bytes');
    if (random.chance(0.3)) addRow(random.pick(EXACT));
    add(['MULTI'], 'bytes');
    for (let left = Math.floor(random.between(0, 5)); left > 0; left -= 1) addRow(random.pick(EXACT));
    if (random.chance(0.1)) add(random.pick([['NOSUCH', 'x'], ['GET'], ['MULTI'], ['WATCH', key]]), 'bytes');
    add([random.pick(['EXEC', 'EXEC', 'EXEC', 'DISCARD'])], 'bytes');
  }
}

function fill(random: Random, lane: number, word: string): string {
  if (word === 'k') return random.pick(keysOf(lane));
  if (word === 'pattern') return `[a-f]:${lane}`;
  const choices = WORDS[word];
  return choices === undefined ? word : random.pick(choices);
}
