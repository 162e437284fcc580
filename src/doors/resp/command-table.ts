/**
 * Every command that the door knows: those of Redis 7.0, and of later ones those that name keys, which an older Redis
 * answers itself. What is not in here is not passed on, since nobody could say whose keys it would touch.
 */
import type { CommandSpec } from './command-spec';
import { parseRows } from './command-rows';
import { BITMAPS } from './commands/bitmaps';
import { CLUSTER } from './commands/cluster';
import { CONNECTION } from './commands/connection';
import { GEO } from './commands/geo';
import { HASHES } from './commands/hashes';
import { HYPERLOGLOG } from './commands/hyperloglog';
import { KEYS } from './commands/keys';
import { LISTS } from './commands/lists';
import { PUBSUB } from './commands/pubsub';
import { SCRIPTING } from './commands/scripting';
import { SERVER } from './commands/server';
import { SETS } from './commands/sets';
import { SORTED_SETS } from './commands/sorted-sets';
import { STREAMS } from './commands/streams';
import { STRINGS } from './commands/strings';
import { TRANSACTIONS } from './commands/transactions';

/** By its name in lower case; the commands of a container are within it. */
export const COMMANDS: ReadonlyMap<string, CommandSpec> = new Map(
  [
    ...[STRINGS, BITMAPS, HYPERLOGLOG, KEYS, HASHES, LISTS, SETS, SORTED_SETS, GEO, STREAMS],
    ...[TRANSACTIONS, PUBSUB, SCRIPTING, CONNECTION, SERVER, CLUSTER],
  ]
    .flatMap(parseRows)
    .map((spec) => [spec.name, spec]),
);

/** All that can be carried out: commands and the commands of containers. */
export function allCommands(): CommandSpec[] {
  return [...COMMANDS.values()].flatMap((spec) =>
    spec.subcommands.size === 0 ? [spec] : [spec, ...spec.subcommands.values()],
  );
}
