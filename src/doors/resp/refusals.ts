/** Why the door refuses commands, by the names that the table has for the reasons. Each stands after `ERR `. */
export const REFUSALS = {
  server: 'The Redis servers behind this gateway are not administered through it.',
  replication: 'The replication of the Redis servers behind this gateway is their own affair.',
  clients: 'Clients and their rights are kept by this gateway, not by Redis.',
  connection: 'Connections to Redis are shared by the callers of this gateway, so none can be told that.',
  watching: 'It would show what other callers do.',
  database: 'There is one database here, number 0.',
  script: 'It could hit a script of another caller.',
  wait: 'A connection to Redis that is shared cannot say who has which change: write with `ack` through another door.',
  cluster: 'This instance has cluster support disabled',
} as const;

export type RefusalName = keyof typeof REFUSALS;
