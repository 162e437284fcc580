/** What is thrown where a command is refused in words of Redis that no code of ours stands for. */
import { toCacheError } from '../../core/errors';
import { errorReply } from './errors';

export class Refusal extends Error {
  override readonly name = 'Refusal';

  constructor(readonly reply: Buffer) {
    super('The command was refused.');
  }
}

/** The reply to whatever was thrown. */
export function replyToThrown(thrown: unknown): Buffer {
  return thrown instanceof Refusal ? thrown.reply : errorReply(toCacheError(thrown));
}
