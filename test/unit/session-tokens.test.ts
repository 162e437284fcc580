/** Session tokens: what is sealed is opened on every gateway of the deployment, and nothing else is. */
import { createHmac, hkdfSync } from 'node:crypto';
import { createSessionTokens, SESSION_TOKEN_CHARS_MAX } from '../../src/auth/session-tokens';
import { Session, POSITIONS_MAX, type Position } from '../../src/core/session';
import { failureOf, OTHER_SECRET, SECRET } from './auth-support';

const tokens = createSessionTokens({ secret: SECRET, previousSecret: undefined });
const others = createSessionTokens({ secret: OTHER_SECRET, previousSecret: undefined });

const position = (index: number, offset = index * 1000): Position => ({
  shard: (0xabcdef000000 + index).toString(16),
  lineage: (0x00fedcba98765400n + BigInt(index)).toString(16).padStart(16, '0'),
  offset,
});
const sessionOf = (count: number, isOverflowing = false) =>
  new Session(
    Array.from({ length: count }, (_, index) => position(index)),
    isOverflowing,
  );
const longest = sessionOf(POSITIONS_MAX, true);

/** A record with a MAC under this key, whatever the record is. */
function sealRaw(record: Buffer, key: string | Uint8Array): string {
  const mac = createHmac('sha256', key).update(record).digest().subarray(0, 16);
  return Buffer.concat([record, mac]).toString('base64url');
}
const derived = new Uint8Array(hkdfSync('sha256', SECRET, '', 'ringcache session token', 32));

const refused = {
  code: 'bad_request',
  message: 'Ringcache-Session is not a session of this service: send it empty to begin anew.',
};
const refusalOf = (text: string) => {
  const { code, message, cause } = failureOf(() => tokens.open(text));
  return cause === undefined ? { code, message } : { code, message, cause };
};

describe('a session', () => {
  it.each([Session.empty, sessionOf(0, true), sessionOf(1), sessionOf(2, true), longest])(
    'comes back as it was sealed: %#',
    (session) => {
      expect(tokens.open(tokens.seal(session))).toEqual(session);
    },
  );

  it.each([0, 1, 2 ** 32, 2 ** 48 - 1, 2 ** 48, Number.MAX_SAFE_INTEGER])(
    'keeps the offset %d to the last byte',
    (offset) => {
      const session = new Session([position(1, offset)], false);
      expect(tokens.open(tokens.seal(session))).toEqual(session);
    },
  );

  it('begins with an empty text, and is a text when it is empty', () => {
    expect(tokens.open('')).toBe(Session.empty);
    expect(tokens.seal(Session.empty)).not.toBe('');
  });

  it('of as many positions as there can be is a header field of at most 1 KiB', () => {
    const token = tokens.seal(longest);
    expect(token).toMatch(/^[\w-]+$/);
    expect(token.length).toBeLessThanOrEqual(SESSION_TOKEN_CHARS_MAX);
    expect(SESSION_TOKEN_CHARS_MAX).toBe(1024);
  });
});

it('a token of another gateway is opened: the wire format stays what it is', () => {
  const record = Buffer.from('0101' + 'abcdef000001' + '0123456789abcdef' + '0000000000000102', 'hex');
  const session = new Session([{ shard: 'abcdef000001', lineage: '0123456789abcdef', offset: 258 }], true);
  expect(tokens.open(sealRaw(record, derived))).toEqual(session);
  expect(tokens.seal(session)).toBe(sealRaw(record, derived));
});

describe('a change of the secret', () => {
  const later = createSessionTokens({ secret: OTHER_SECRET, previousSecret: SECRET });

  it('leaves tokens of the previous secret good, and seals with the new one', () => {
    expect(later.open(tokens.seal(longest))).toEqual(longest);
    expect(others.open(later.seal(longest))).toEqual(longest);
    expect(refusalOf(later.seal(longest))).toEqual(refused);
  });

  it('ends tokens of the previous secret when that is taken away', () => {
    expect(failureOf(() => others.open(tokens.seal(longest))).code).toBe('bad_request');
  });
});

describe('a token is refused, in one shape and without an echo,', () => {
  it.each([Session.empty, sessionOf(2)])('when any single bit of it is another: %#', (session) => {
    const token = tokens.seal(session);
    const bytes = Buffer.from(token, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const forged = Buffer.from(bytes);
      forged[bit >> 3]! ^= 1 << (bit & 7);
      expect(refusalOf(forged.toString('base64url'))).toEqual(refused);
    }
    for (let bit = 0; bit < token.length * 8; bit++) {
      const forged = Buffer.from(token);
      forged[bit >> 3]! ^= 1 << (bit & 7);
      expect(refusalOf(forged.toString('latin1'))).toEqual(refused);
    }
  });

  it('when it is cut off anywhere', () => {
    const token = tokens.seal(sessionOf(2));
    for (let length = 1; length < token.length; length++) {
      expect(refusalOf(token.slice(0, length))).toEqual(refused);
    }
  });

  it('when it is sealed with another secret', () => {
    expect(refusalOf(others.seal(sessionOf(1)))).toEqual(refused);
  });

  it('when its MAC is made with the secret itself, which signs other things', () => {
    const record = Buffer.from(tokens.seal(sessionOf(1)), 'base64url').subarray(0, -16);
    expect(sealRaw(record, derived)).toBe(tokens.seal(sessionOf(1)));
    expect(refusalOf(sealRaw(record, SECRET))).toEqual(refused);
  });

  it.each([
    ['a version that is not known here', Buffer.of(2, 0)],
    ['half a position', Buffer.concat([Buffer.of(1, 0), Buffer.alloc(11)])],
    ['more positions than there can be', Buffer.concat([Buffer.of(1, 0), Buffer.alloc(33 * 22)])],
    ['nothing', Buffer.alloc(0)],
  ])('although its MAC is good, when it holds %s', (_what, record) => {
    expect(refusalOf(sealRaw(record, derived))).toEqual(refused);
  });

  const good = tokens.seal(sessionOf(1));
  // 40 bytes are 53 and a third characters: the last one has four bits that nobody reads who is not strict.
  const withOtherLastBits = good.slice(0, -1) + String.fromCharCode(good.charCodeAt(good.length - 1) + 1);
  it.each([
    ['of blanks', '   '],
    ['no base64url', '!!!!'],
    ['padded', `${good}=`],
    ['with a blank behind it', `${good} `],
    ['twice in one field', `${good}, ${good}`],
    ['spelled in another way', withOtherLastBits],
    ['in the other alphabet of base64', Buffer.from(good, 'base64url').toString('base64')],
    ['too long', 'A'.repeat(SESSION_TOKEN_CHARS_MAX + 1)],
    ['much too long', 'A'.repeat(1024 * 1024)],
  ])('when it is %s', (_what, text) => {
    expect(refusalOf(text)).toEqual(refused);
  });
});
