/** The table of settings as people read it: in `.env.example` and in the README. */
import { SETTINGS, type Setting } from '../../src/config/settings';

const rows: readonly [string, Setting<unknown>][] = Object.entries(SETTINGS);

/** What `.env.example` has to say, whole. A copy of it sets nothing but the defaults. */
export function envExample(): string {
  const head = [
    '# Every setting of ringcache. Copy what you change to .env; the environment wins over that file.',
    '# A setting without a value is unset, here as there. A value with # in it must stand in single quotes.',
  ];
  const settings = rows.flatMap(([name, { fallback, meaning, default: byDefault }]) => {
    const note = fallback === undefined && byDefault !== 'none' ? ` Default: ${byDefault}.` : '';
    return ['', `# ${sentence(meaning)}${note}`.replaceAll('`', ''), `${name}=${fallback ?? ''}`];
  });
  return [...head, ...settings, ''].join('\n');
}

/** The README's table, without a line break at its end. */
export function settingsTable(): string {
  const lines = rows.map(([name, { fallback, default: byDefault, meaning }]) =>
    row(`\`${name}\``, fallback === undefined ? byDefault : `\`${byDefault}\``, meaning),
  );
  return [row('variable', 'default', 'meaning'), '| --- | --- | --- |', ...lines].join('\n');
}

function row(...cells: string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
