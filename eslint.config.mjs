// Lint rules, and the law of the layers: arrows between the folders of src/ point down only.
import tseslint from 'typescript-eslint';

/** For each folder: the folders of src/ it may import, and the packages. Everything else is refused. */
const LAYERS = {
  lib: { folders: [], packages: [] },
  core: { folders: ['lib'], packages: ['lru-cache', 'node:buffer', 'node:crypto'] },
  auth: {
    folders: ['lib', 'core'],
    packages: ['jsonwebtoken', 'lru-cache', 'node:crypto', 'node:fs', 'node:path', 'node:util'],
  },
  cipher: { folders: ['lib', 'core'], packages: ['node:crypto'] },
  tls: { folders: ['lib', 'core'], packages: ['node:crypto', 'node:fs', 'node:tls'] },
  redis: { folders: ['lib', 'core'], packages: ['ioredis', 'node:net', 'node:tls'] },
  kafka: {
    folders: ['lib', 'core'],
    packages: [
      'kafkajs/src/protocol/message/compression/index.js',
      'kafkajs/src/protocol/requests/index.js',
      ...['node:net', 'node:tls'],
    ],
  },
  coherence: { folders: ['lib', 'core', 'redis', 'kafka'], packages: ['ioredis', 'node:crypto'] },
  replication: { folders: ['lib', 'core', 'redis', 'kafka'], packages: ['ioredis', 'node:crypto'] },
  snapshot: { folders: ['lib', 'core'], packages: ['node:fs', 'node:path', 'node:zlib'] },
  engines: {
    folders: ['lib', 'core', 'redis', 'coherence', 'replication', 'kafka'],
    packages: ['hashring', 'lru-cache', 'node:crypto', 'node:v8'],
  },
  telemetry: { folders: ['lib', 'core'], packages: ['pino', 'prom-client', 'node:fs', 'node:perf_hooks'] },
  workers: { folders: ['lib', 'core', 'auth', 'telemetry'], packages: ['node:cluster', 'node:fs'] },
  'doors/http': {
    folders: ['lib', 'core', 'auth', 'tls'],
    packages: [
      'cors',
      'express',
      'helmet',
      'joi',
      'node:http',
      'node:https',
      'node:tls',
      'node:net',
      'node:fs',
      'node:buffer',
      'node:stream',
      'node:crypto',
    ],
  },
  'doors/resp': {
    folders: ['lib', 'core', 'auth', 'tls'],
    packages: ['node:net', 'node:tls', 'node:buffer', 'node:crypto'],
  },
  'doors/grpc': {
    folders: ['lib', 'core', 'auth', 'tls'],
    packages: [
      ...['@grpc/grpc-js', '@grpc/proto-loader', '@grpc/reflection', 'grpc-health-check'],
      ...['node:buffer', 'node:http2', 'node:net', 'node:path', 'node:tls'],
    ],
  },
  config: {
    folders: [
      ...['lib', 'core', 'auth', 'cipher', 'tls', 'redis', 'kafka', 'coherence', 'replication', 'snapshot'],
      ...['engines', 'telemetry', 'doors'],
    ],
    packages: ['joi', 'dotenv', 'node:path'],
    typesOnly: true,
  },
};

const FOLDERS = [
  'lib',
  'core',
  'auth',
  'cipher',
  'tls',
  'redis',
  'kafka',
  'coherence',
  'replication',
  'snapshot',
  'engines',
  'telemetry',
  'workers',
  'doors',
  'config',
];

function lawOf([folder, { folders, packages, typesOnly }]) {
  const depth = folder.split('/').length;
  const forbiddenFolders = FOLDERS.filter(
    (other) => !folders.includes(other) && other !== folder.split('/')[0],
  );
  // One door knows nothing of another: what two of them need lies below both.
  const otherDoors = Object.keys(LAYERS).filter(
    (other) => other.startsWith('doors/') && folder.startsWith('doors/') && other !== folder,
  );
  const rule = `src/${folder} may import ${[...folders, ...packages].join(', ') || 'nothing'} only (see src/README.md)`;
  return {
    files: [`src/${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            ...forbiddenFolders.map((other) => ({ regex: `^(\\.\\./)+${other}(/|$)`, message: rule })),
            ...otherDoors.map((other) => ({
              regex: `^(\\.\\./)+(doors/)?${other.split('/')[1]}/`,
              message: rule,
            })),
            { regex: `^(\\.\\./){${depth},}(start|main)$`, message: rule },
            { regex: `^(?!\\.)(?!(${packages.join('|') || '-'})$)`, message: rule },
          ],
        },
      ],
      '@typescript-eslint/no-restricted-imports': typesOnly
        ? [
            'error',
            {
              patterns: [
                {
                  regex:
                    '^\\.\\./(lib|core|auth|cipher|tls|redis|kafka|coherence|replication|snapshot|engines|telemetry|doors)/',
                  allowTypeImports: true,
                  message: 'config imports types only',
                },
              ],
            },
          ]
        : 'off',
      'no-restricted-globals': ['error', { name: 'process', message: 'only main.ts touches process' }],
    },
  };
}

/** What the console's scripts may take from the browser. No storage among it: a token lives in memory. */
const BROWSER_GLOBALS = [
  ...['AbortController', 'AbortSignal', 'Blob', 'Intl', 'ResizeObserver', 'TextEncoder', 'URL'],
  ...['addEventListener', 'atob'],
  ...[
    'clearInterval',
    'clearTimeout',
    'crypto',
    'document',
    'fetch',
    'getComputedStyle',
    'matchMedia',
    'performance',
  ],
  ...['reportError', 'setInterval', 'setTimeout'],
];

export default tseslint.config(
  { ignores: ['node_modules/', 'dist/', 'coverage/', 'test/output/', 'certs/'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { project: ['./test/tsconfig.json'], tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true } }],
    },
  },
  ...Object.entries(LAYERS).map(lawOf),
  {
    files: ['src/doors/http/console/pages/*.js'],
    languageOptions: { globals: Object.fromEntries(BROWSER_GLOBALS.map((name) => [name, 'readonly'])) },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error',
      'no-undef': 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-restricted-properties': [
        'error',
        ...['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'cookie'].map((property) => ({
          property,
          message: 'what a caller stored reaches the page as text only, and nothing is kept',
        })),
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', name: ['it', 'describe'], package: 'node:test' }] },
      ],
    },
  },
);
