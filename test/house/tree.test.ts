/** Rules about the tree itself: what lies where, who imports whom, what no file may say. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(__dirname, '../..');

/** Everything that is or would be committed, with forward slashes from the root. */
const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\0')
  .filter((file) => file !== '' && existsSync(path.join(ROOT, file)));

const sources = files.filter((file) => /^src\/.*\.ts$/.test(file));

function read(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

/** The files below src/ that a source imports. */
function importsOf(source: string): string[] {
  return [...read(source).matchAll(/\bfrom '(\.[^']*)'|\bimport\('(\.[^']*)'\)/g)].map((match) => {
    const target = path.posix.join(path.posix.dirname(source), match[1] ?? match[2] ?? '');
    return `${target}.ts`;
  });
}

/** Source text without comments and the contents of plain strings. */
function codeOf(source: string): string {
  return read(source)
    .replace(/\/\*[^]*?\*\/|\/\/.*$/gm, '')
    .replace(/'(?:[^'\\\n]|\\.)*'/g, "''");
}

it('the root holds what the house plan lists and nothing else', () => {
  const allowed = [
    ...['.ci', 'scripts', 'src', 'test', 'docker-compose.yml', 'eslint.config.mjs', 'tsconfig.json'],
    ...['package.json', 'package-lock.json', '.env.example', '.gitignore', 'LICENSE', 'README.md'],
  ];
  const found = new Set(files.map((file) => file.split('/')[0]));
  expect([...found].filter((name) => !allowed.includes(name ?? ''))).toEqual([]);
  expect(allowed.filter((name) => !found.has(name))).toEqual([]);
});

it('each folder of src has its line in src/README.md', () => {
  const map = read('src/README.md');
  const folders = readdirSync(path.join(ROOT, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.relative(path.join(ROOT, 'src'), path.join(entry.parentPath, entry.name)))
    .filter((folder) => sources.some((source) => source.startsWith(`src/${folder}/`)));
  // A folder inside another may stand in the line of that one.
  const tells = (line: string, folder: string): boolean =>
    line.includes(`\`${folder}/\``) ||
    (line.includes(`\`${path.dirname(folder)}/\``) && line.includes(`\`${path.basename(folder)}/\``));
  const untold = folders
    // doors/ itself holds nothing but doors, which have lines of their own.
    .filter((folder) => folder !== 'doors')
    .filter((folder) => !map.split('\n').some((line) => tells(line, folder)));
  expect(folders.length).toBeGreaterThan(5);
  expect(untold).toEqual([]);
});

it('every import of a source leads to a source', () => {
  const lost = sources.flatMap((source) => importsOf(source).filter((target) => !sources.includes(target)));
  expect(lost).toEqual([]);
});

it('no sources import each other in a circle', () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (source: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(source);
    if (seenAt >= 0) circles.push([...trail.slice(seenAt), source].join(' -> '));
    if (seenAt >= 0 || done.has(source)) return;
    for (const target of importsOf(source)) visit(target, [...trail, source]);
    done.add(source);
  };
  for (const source of sources) visit(source, []);
  expect(circles).toEqual([]);
});

it('only main.ts touches the process', () => {
  const touching = sources.filter((source) => /(?<![.\w])process\b(?!:)|node:process/.test(codeOf(source)));
  expect(touching).toEqual(['src/main.ts']);
});

it('only redis/client.ts opens connections to Redis', () => {
  expect(sources.filter((source) => /\bnew Redis\(/.test(codeOf(source)))).toEqual(['src/redis/client.ts']);
});

it('no file names the host of a package registry or a folder of somebody’s machine', () => {
  // Written in pieces, so that this file passes its own test.
  const forbidden = new RegExp(
    [
      'registry\\.' + 'npm',
      'npm' + 'mirror',
      'artifac' + 'tory',
      '"reso' + 'lved"',
      '/ho' + 'me/\\w',
      '/wo' + 'rk/',
    ].join('|'),
  );
  expect(files.filter((file) => forbidden.test(read(file)))).toEqual([]);
});

it('no source has a barrel, a default export, or a name that says nothing', () => {
  const nothing = /(^|[/-])(index|utils?|helpers?|managers?|common|misc)(\.ts$|\/|-)/;
  expect(sources.filter((source) => nothing.test(source))).toEqual([]);
  expect(sources.filter((source) => /^export (default|\* from)/m.test(read(source)))).toEqual([]);
});

it('every source begins with a comment that says what it is', () => {
  expect(sources.filter((source) => !read(source).startsWith('/**'))).toEqual([]);
});
