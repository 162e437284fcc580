/**
 * The text format of Prometheus (0.0.4), read strictly: what its own parser would let pass in silence is a fault
 * here. Of `# HELP` and `# TYPE` each family must have both, its samples must stand behind them and nowhere else, no
 * series may come twice, and a histogram's buckets must add up.
 */

export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Exposition {
  readonly series: readonly Series[];
  /** By the name of the family. */
  readonly types: ReadonlyMap<string, string>;
  /** The value of the one series with that name and at least those labels. @throws Error when there is not just one */
  readonly value: (name: string, labels?: Readonly<Record<string, string>>) => number;
  /** Of all series with that name and at least those labels, summed up. */
  readonly sum: (name: string, labels?: Readonly<Record<string, string>>) => number;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\\\\n]|\\\\["\\\\n])*)"';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (\\S+)$`);
const NUMBER = /^(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|NaN)$/;
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];
const SUFFIXES: Readonly<Record<string, readonly string[]>> = { histogram: ['_bucket', '_sum', '_count'] };

/** @throws Error: quotes the line that is not as it must be */
export function parseExposition(text: string): Exposition {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const helped = new Set<string>();
  const types = new Map<string, string>();
  const series: Series[] = [];
  const seen = new Set<string>();
  let family = '';
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      if (helped.has(name)) throw new Error(`told twice: ${line}`);
      helped.add(name);
    } else if (kind === 'TYPE') {
      if (!helped.has(name) || types.has(name) || !TYPES.includes(rest)) throw new Error(`no type: ${line}`);
      types.set(name, rest);
      family = name;
    } else {
      const sample = parseSample(line);
      const own = (SUFFIXES[types.get(family) ?? ''] ?? ['']).map((suffix) => family + suffix);
      if (!own.includes(sample.name)) throw new Error(`not of the family ${family}: ${line}`);
      const identity = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`;
      if (seen.has(identity)) throw new Error(`comes twice: ${line}`);
      seen.add(identity);
      series.push(sample);
    }
  }
  for (const [name, type] of types) if (type === 'histogram') checkHistogram(name, series);

  const matching = (name: string, labels: Readonly<Record<string, string>>): Series[] =>
    series.filter(
      (each) =>
        each.name === name && Object.entries(labels).every(([label, value]) => each.labels[label] === value),
    );
  return {
    series,
    types,
    value: (name, labels = {}) => {
      const [first, ...more] = matching(name, labels);
      if (first === undefined || more.length > 0) {
        throw new Error(`${first === undefined ? 'no' : 'several'} ${name} ${JSON.stringify(labels)}`);
      }
      return first.value;
    },
    sum: (name, labels = {}) => matching(name, labels).reduce((total, { value }) => total + value, 0),
  };
}

function parseSample(line: string): Series {
  const match = SAMPLE.exec(line);
  const number = match?.at(-1) ?? '';
  if (match === null || !NUMBER.test(number)) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  for (const [, name = '', value = ''] of (match[2] ?? '').matchAll(new RegExp(LABEL, 'g'))) {
    if (Object.hasOwn(labels, name)) throw new Error(`a label twice: ${line}`);
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  return { name: match[1] ?? '', labels, value: Number(number.replace('Inf', 'Infinity')) };
}

/** Buckets rise with their bounds, and the last one, without a bound, has all. */
function checkHistogram(name: string, series: readonly Series[]): void {
  const withoutBound = (labels: Series['labels']): string => JSON.stringify({ ...labels, le: undefined });
  for (const count of series.filter((each) => each.name === `${name}_count`)) {
    const buckets = series.filter(
      (each) => each.name === `${name}_bucket` && withoutBound(each.labels) === withoutBound(count.labels),
    );
    const bounds = buckets.map(({ labels }) => Number(labels['le']?.replace('Inf', 'Infinity')));
    const rises = (values: readonly number[]): boolean =>
      values.every((value, at) => at === 0 || value >= (values[at - 1] ?? 0));
    if (!rises(bounds) || !rises(buckets.map(({ value }) => value)) || bounds.at(-1) !== Infinity) {
      throw new Error(`the buckets of ${name} do not rise to +Inf`);
    }
    if (buckets.at(-1)?.value !== count.value) throw new Error(`${name}_count is not what its buckets have`);
  }
}
