/**
 * Replies as JSON text, put together by hand: only the parts that a caller chose go through JSON.stringify, and a
 * value that is stored as JSON goes in as it is.
 */
import type { Reply } from '../../../core/command';
import { keyToText } from '../../../core/key';
import { errorBody } from '../respond';
import { valueText } from '../value-text';
import type { ParsedCommand } from './parse-commands';

/** What a reply depends on beside itself. */
export interface ReplyContext {
  readonly requestId: string;
  /** `Prefer: return=minimal`: no echo of a written value. */
  readonly minimal: boolean;
}

/** The reply to `parsed`, in the form that the OpenAPI description shows. */
export function replyText(parsed: ParsedCommand, reply: Reply, context: ReplyContext): string {
  if (reply.status === 'ERROR') return errorBody(reply.error, context.requestId, reply.command);
  const { command, base64 } = parsed;
  switch (reply.command) {
    case 'READ':
      if (reply.status === 'NOT_FOUND') return messageText('READ', 'NOT_FOUND', parsed, 'Key not found');
      return `{"command":"READ","status":"SUCCESS",${valueText(reply.value, base64)}}`;
    case 'WRITE':
      if (reply.status === 'NOT_STORED') {
        // Not met: XX is conditioned on a key that is there, NX on one that is not.
        const isXx = command.command === 'WRITE' && command.condition === 'XX';
        return messageText('WRITE', 'NOT_STORED', parsed, isXx ? 'Key not found' : 'Key exists');
      }
      if (context.minimal || command.command !== 'WRITE') return '{"command":"WRITE","status":"SUCCESS"}';
      return `{"command":"WRITE","status":"SUCCESS",${valueText(command.value, base64)}}`;
    case 'DELETE':
      return reply.status === 'SUCCESS'
        ? messageText('DELETE', 'SUCCESS', parsed, 'Key deleted')
        : messageText('DELETE', 'NOT_FOUND', parsed, 'Key not found');
  }
}

function messageText(name: string, status: string, { command }: ParsedCommand, message: string): string {
  const text = JSON.stringify(`${keyToText(command.key)} ${message}`);
  return `{"command":"${name}","status":"${status}","message":${text}}`;
}
