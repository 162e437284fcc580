/** What operators ask for, described. */
import { failures, failureWith, tokenFailures } from './failures';
import { jsonAnswer, objectOf, type Operation, type Paths, type Schema } from './open-api';
import { KEY, KEY_IN_PATH, needs, OPEN_TO_ALL } from './shared-parts';

const COUNT: Schema = { type: 'integer', minimum: 0 };
const NAME: Schema = { type: 'string' };
const MILLISECONDS: Schema = { type: 'number', minimum: 0 };

export function describeOps(): Paths {
  return {
    '/livez': {
      get: stateOf('live', 'Whether the process runs', 'Answers as long as the process can.'),
    },
    '/readyz': {
      get: stateOf(
        'ready',
        'Whether it can serve',
        '503 while no shard can be used, and while it shuts down.',
      ),
    },
    '/status': {
      get: {
        operationId: 'getStatus',
        tags: ['Operations'],
        summary: 'Engine, shards, nodes, near cache, and the figures of all workers together',
        security: needs('admin'),
        responses: { '200': jsonAnswer('The state now.', STATUS), ...tokenFailures() },
      },
    },
    '/ring': {
      get: {
        operationId: 'getRing',
        tags: ['Operations'],
        summary: 'The circle on which keys have their points',
        security: needs('admin'),
        responses: {
          '200': jsonAnswer(
            'Arcs in the order of where they end, each from behind the one before it.',
            objectOf({
              size: {
                type: ['integer', 'null'],
                description: 'Points of the circle; null: there is no ring.',
              },
              shards: { type: 'array', items: NAME },
              arcs: {
                type: 'array',
                items: {
                  type: 'array',
                  prefixItems: [
                    { ...COUNT, description: 'The last point of the arc.' },
                    { type: 'integer', minimum: -1, description: 'Index into `shards`; -1: nobody has it.' },
                  ],
                  items: false,
                  minItems: 2,
                },
              },
            }),
          ),
          ...tokenFailures(),
        },
      },
    },
    '/ring/{key}': {
      get: {
        operationId: 'locateKey',
        tags: ['Operations'],
        summary: 'Where a key lives',
        security: needs('admin'),
        parameters: [KEY_IN_PATH],
        responses: {
          '200': jsonAnswer(
            'Its place, whether it has a value or not.',
            objectOf({
              key: KEY,
              hash: { type: ['integer', 'null'], description: 'Its point; null: there is no ring.' },
              shard: NAME,
              node: { type: ['string', 'null'], description: 'Who would be asked now; null: nobody can be.' },
              near: { type: 'boolean', description: 'The near cache of this process has it.' },
              exists: { type: 'boolean' },
              ttl: {
                type: ['number', 'null'],
                description: 'Seconds; null: without end, or without existence.',
              },
            }),
          ),
          ...tokenFailures('timeout'),
        },
      },
    },
    '/snapshot': {
      post: {
        operationId: 'saveSnapshot',
        tags: ['Operations'],
        summary: 'Save a snapshot now',
        description:
          'Answers when it is saved. One at a time: who asks while one is being saved gets the answer of that. When it fails, 503, the last one is still there.',
        security: needs('admin'),
        responses: {
          '200': jsonAnswer(
            'It is saved.',
            objectOf({
              status: { const: 'SUCCESS' },
              entries: { ...COUNT, description: 'Entries in it, or keys where it is of a near cache.' },
              bytes: { ...COUNT, description: 'Of the file.' },
              seconds: { type: 'number', minimum: 0 },
            }),
          ),
          ...tokenFailures(),
          '409': { ...failureWith('conflict', {}), description: '`SNAPSHOT_FILE` is not set.' },
        },
      },
    },
    '/metrics': {
      get: {
        operationId: 'getMetrics',
        tags: ['Operations'],
        summary: 'All figures in the text format of Prometheus',
        security: needs('admin'),
        responses: {
          '200': {
            description: 'Version 0.0.4 of the format.',
            content: { 'text/plain': { schema: { type: 'string' } } },
          },
          ...tokenFailures(),
        },
      },
    },
  };
}

function stateOf(state: string, summary: string, description: string): Operation {
  return {
    operationId: `get${state.charAt(0).toUpperCase()}${state.slice(1)}`,
    tags: ['Operations'],
    summary,
    description,
    security: OPEN_TO_ALL,
    responses: { '200': jsonAnswer('It is.', objectOf({ status: { const: state } })), ...failures() },
  };
}

const NODE = objectOf({
  address: { type: 'string', description: '`host:port`.' },
  role: { enum: ['master', 'replica'] },
  healthy: { type: 'boolean', description: 'Takes reads or writes from us now.' },
  link_up: { type: ['boolean', 'null'], description: "A replica's link to its master." },
  lag_bytes: { type: ['integer', 'null'], description: 'How far a replica is behind its master.' },
  in_flight: {
    type: ['integer', 'null'],
    description: 'Commands whose callers wait for it, but for those with `ack`.',
  },
  announces: { type: ['boolean', 'null'], description: 'What is read from it may be kept near.' },
});

const NEAR = objectOf({
  enabled: { type: 'boolean' },
  entries: COUNT,
  bytes: COUNT,
  entries_max: COUNT,
  bytes_max: COUNT,
  ttl_seconds: { type: 'number', minimum: 0 },
  hits: COUNT,
  misses: COUNT,
  evictions: COUNT,
});

const STATUS = objectOf({
  engine: NAME,
  ready: { type: 'boolean' },
  coherence: NAME,
  shards: { type: 'array', items: objectOf({ name: NAME, nodes: { type: 'array', items: NODE } }) },
  near: NEAR,
  uptime_seconds: { type: 'number', minimum: 0 },
  requests: objectOf({
    total: COUNT,
    failed: {
      ...COUNT,
      description: 'Answered with a fault on our side: 500 and above, or what says so over gRPC.',
    },
    in_flight: COUNT,
    in_flight_max: COUNT,
  }),
  latency: {
    ...objectOf({
      bounds_ms: { type: 'array', items: { type: 'number' } },
      counts: { type: 'array', items: COUNT },
    }),
    description:
      'Of requests with a command in them: `counts[i]` took longer than `bounds_ms[i - 1]` and at most `bounds_ms[i]`, the last longer than all.',
  },
  event_loop_delay_ms: objectOf({ p50: MILLISECONDS, p99: MILLISECONDS, max: MILLISECONDS }),
  workers: objectOf({
    configured: { type: 'integer', minimum: 1, description: 'Processes that are to share the ports.' },
    answered: {
      type: 'integer',
      minimum: 1,
      description:
        'Those that answered in time. What is counted is their sum; of a state the worst is shown.',
    },
  }),
});
