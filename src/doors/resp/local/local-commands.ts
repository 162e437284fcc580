/** What the door answers itself, by the name that the table of commands has for it. */
import { auth } from './authenticate';
import {
  clientGetName,
  clientId,
  clientInfo,
  clientList,
  clientSetInfo,
  clientSetName,
} from './client-commands';
import { commandReply } from './command-replies';
import { configGet } from './config-get';
import { echo, lolwut, ping, quit, reset, role, select, time, whoAmI } from './connection-commands';
import { hello } from './hello';
import { info } from './info';
import type { LocalCommand } from './local-command';

const command: LocalCommand = (state, words) => state.replies.write(commandReply(words, state.protocol));

export const LOCAL_COMMANDS: ReadonlyMap<string, LocalCommand> = new Map(
  Object.entries({
    'acl|whoami': whoAmI,
    auth,
    'client|getname': clientGetName,
    'client|id': clientId,
    'client|info': clientInfo,
    'client|list': clientList,
    'client|setinfo': clientSetInfo,
    'client|setname': clientSetName,
    command,
    'command|count': command,
    'command|docs': command,
    'command|getkeys': command,
    'command|getkeysandflags': command,
    'command|help': command,
    'command|info': command,
    'command|list': command,
    'config|get': configGet,
    echo,
    hello,
    info,
    lolwut,
    ping,
    quit,
    reset,
    role,
    select,
    time,
  }),
);
