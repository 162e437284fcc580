/** Commands as a caller that leaves everything to its defaults sends them. */
import type { DeleteCommand, Key, ReadCommand, WriteCommand } from '../../src/core/command';

export function read(key: string, consistency: ReadCommand['consistency'] = 'eventual'): ReadCommand {
  return { command: 'READ', key: key as Key, consistency };
}

export function write(key: string, value: string, more: Partial<WriteCommand> = {}): WriteCommand {
  return {
    command: 'WRITE',
    key: key as Key,
    value,
    ttlMs: undefined,
    condition: undefined,
    encrypt: undefined,
    ack: 0,
    ...more,
  };
}

export function remove(key: string, more: Partial<DeleteCommand> = {}): DeleteCommand {
  return { command: 'DELETE', key: key as Key, ack: 0, ...more };
}
