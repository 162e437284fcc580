/** What Redis says went wrong, in our words: alone, and from inside a script as older servers wrap it. */
import {
  NotDone,
  NotYet,
  Redirected,
  translateRedisError,
  wholeRefusalOf,
} from '../../src/redis/redis-errors';

function replyError(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' });
}

/** As Redis 6.2 has it; from 7.0 on the reply is that of the command. */
const inScript = (reply: string) =>
  `ERR Error running script (call to f_0123456789abcdef0123456789abcdef01234567): @user_script:3: @user_script: 3: -${reply} `;

describe.each([
  ['alone', (reply: string) => reply],
  ['in a script', inScript],
  ['told by EXEC', (reply: string) => `EXECABORT Transaction discarded because of: ${reply}`],
])('a refusal %s', (_where, told) => {
  it('of a node that was demoted is not done', () => {
    const error = translateRedisError(
      replyError(told("READONLY You can't write against a read only replica.")),
    );
    expect(error).toBeInstanceOf(NotDone);
    expect(error.code).toBe('unavailable');
  });

  it('of a master without its replicas is not done yet', () => {
    const reply = told('NOREPLICAS Not enough good replicas to write.');
    expect(translateRedisError(replyError(reply))).toBeInstanceOf(NotYet);
  });

  it('of a full Redis is out_of_memory', () => {
    const reply = told("OOM command not allowed when used memory > 'maxmemory'.");
    expect(translateRedisError(replyError(reply)).code).toBe('out_of_memory');
  });

  it('of something that is no string is corrupt_value', () => {
    const reply = told('WRONGTYPE Operation against a key holding the wrong kind of value');
    expect(translateRedisError(replyError(reply)).code).toBe('corrupt_value');
  });
});

describe('a refusal that a script may have made up', () => {
  const READONLY = "READONLY You can't write against a read only replica.";
  const at = ` script: ${'0'.repeat(40)}, on @user_script:1.`;

  it.each([READONLY, inScript(READONLY), READONLY + at, 'LOADING Valkey is loading the dataset in memory'])(
    'counts where Redis says it to the letter: %s',
    (reply) => {
      expect(wholeRefusalOf(reply, undefined)).toBeInstanceOf(NotDone);
    },
  );

  it.each([
    'READONLY',
    `${READONLY} So there.`,
    inScript('READONLY mine'),
    'LOADING',
    'TRYAGAIN',
    'BUSY',
    'MISCONF',
    'NOPERM mine',
    'WRONGTYPE Operation',
  ])('does not count otherwise: %s', (reply) => {
    expect(wholeRefusalOf(reply, undefined)).toBeUndefined();
  });

  it('leads elsewhere only of the slot that was asked for', () => {
    const moved = 'MOVED 1 127.0.0.1:1';
    expect(wholeRefusalOf(moved, 1)).toBeInstanceOf(Redirected);
    expect([wholeRefusalOf(moved, 2), wholeRefusalOf(moved, undefined)]).toEqual([undefined, undefined]);
  });
});

it('what is no refusal of a command is internal', () => {
  expect(translateRedisError(replyError('ERR Error running script (call to f_0): oops')).code).toBe(
    'internal',
  );
});
