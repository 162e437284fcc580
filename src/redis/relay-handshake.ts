/** What is said first on a connection that carries callers' commands as they are. */
import type { Protocol, Words } from '../core/ports';
import type { NodeAddress } from './client';

const NAME = 'ringcache-relay';

interface HandshakeStep {
  readonly words: Words;
  /** Whether the connection serves all the same when the server answers with this error. */
  readonly mayFail: (error: string) => boolean;
}

/**
 * The commands, to be sent at once; never none. As with ioredis, a name that the server does not want is no reason to give
 * up, nor is READONLY where there is no cluster, nor a password where the server has none.
 */
export function handshakeOf(
  { username, password }: Pick<NodeAddress, 'username' | 'password'>,
  { protocol, readOnly }: { readonly protocol: Protocol; readonly readOnly: boolean },
): readonly HandshakeStep[] {
  const steps: HandshakeStep[] = [];
  if (protocol === 3) {
    const credentials = password === undefined ? [] : ['AUTH', username ?? 'default', password];
    steps.push(step(['HELLO', '3', ...credentials, 'SETNAME', NAME], () => false));
  } else {
    const credentials = username === undefined ? [] : [username];
    if (password !== undefined) {
      const isNeedless = (error: string): boolean => error.includes('without any password configured');
      steps.push(step(['AUTH', ...credentials, password], isNeedless));
    }
    steps.push(step(['CLIENT', 'SETNAME', NAME], () => true));
  }
  if (readOnly) steps.push(step(['READONLY'], () => true));
  return steps;
}

function step(words: readonly string[], mayFail: (error: string) => boolean): HandshakeStep {
  return { words: words.map((word) => Buffer.from(word)), mayFail };
}
