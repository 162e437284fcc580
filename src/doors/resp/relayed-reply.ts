/** What the reply to a relayed command means to its caller, who may have sent another one than was relayed. */
import type { CacheRelay } from '../../core/relay';
import { isErrorReply } from '../../lib/whole-reply';
import { REPLY } from './encoder';
import { elementsOf, isNullReply } from './reply-parts';
import type { Relayed } from './relayed-command';
import type { ReadReply } from './session-work';
import { openValues, type ValuePlaces } from './value-reply';

/** undefined: it is handed on as it comes. */
export function replyReader({ command, reading }: Relayed, relay: CacheRelay): ReadReply | undefined {
  switch (reading) {
    case 'raw':
      return undefined;
    case 'value':
    case 'values': {
      const { keys } = command;
      const [key] = keys;
      if (key === undefined) return undefined;
      const places: ValuePlaces = reading === 'value' ? { kind: 'value', key } : { kind: 'values', keys };
      return (reply) => openValues(reply, places, (of, stored) => relay.openValue(of, stored));
    }
    case 'one-if-ok':
      return readOneIfOk;
    case 'ok-of-parts':
      return readParts;
  }
}

function readOneIfOk(reply: Buffer): Buffer {
  if (isErrorReply(reply)) return reply;
  return isNullReply(reply) ? REPLY.zero : REPLY.one;
}

/** Of EXEC, or an error that stands for it. */
function readParts(reply: Buffer): Buffer {
  if (isErrorReply(reply)) return reply;
  return elementsOf(reply).find(isErrorReply) ?? REPLY.ok;
}
