import { generateKeyPairSync } from 'node:crypto';
import { sign, type Algorithm } from 'jsonwebtoken';
import { LEEWAY_SECONDS, TOKEN_CHARS_MAX, Tokens } from '../../src/auth/tokens';
import { createFakeClock } from '../support/fake-clock';
import { base64url, failureOf, OTHER_SECRET, SECRET, signRaw, signSegments, textsOf } from './auth-support';

const TTL_SECONDS = 900;
const clock = createFakeClock();
const tokens = new Tokens({ secret: SECRET, previousSecret: undefined, ttlSeconds: TTL_SECONDS }, clock);
const good = tokens.issue('client-1', ['read', 'write']);
const [headerPart = '', payloadPart = '', signaturePart = ''] = good.split('.');
const { header, payload } = textsOf(good);
const claims: Record<string, unknown> = JSON.parse(payload);
const now = clock.wallMs() / 1000;

/** The good token with other claims; undefined takes one away. */
function withClaims(changes: Record<string, unknown>): string {
  return signRaw(header, JSON.stringify({ ...claims, ...changes }));
}

/** The good token with other header fields. */
function withHeader(changes: Record<string, unknown>): string {
  return signRaw(JSON.stringify({ ...(JSON.parse(header) as object), ...changes }), payload);
}

/** The good token with a text in place of another in its payload. */
function withPayloadText(from: string, to: string): string {
  expect(payload).toContain(from);
  return signRaw(header, payload.replace(from, to));
}

const unsignedAs = (alg: string, signature = '') =>
  `${base64url(JSON.stringify({ ...(JSON.parse(header) as object), alg }))}.${payloadPart}.${signature}`;

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const rsaSigned = (algorithm: Algorithm) =>
  sign(claims, rsa.privateKey, { algorithm, keyid: (JSON.parse(header) as { kid: string }).kid });
const publicPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();

const hostile: Record<string, string> = {
  // alg none
  'alg none': unsignedAs('none'),
  'alg None': unsignedAs('None'),
  'alg NONE': unsignedAs('NONE'),
  'alg nOnE': unsignedAs('nOnE'),
  'alg none with the good signature': unsignedAs('none', signaturePart),
  'alg none, signed': withHeader({ alg: 'none' }),
  'alg empty': withHeader({ alg: '' }),
  'alg null': withHeader({ alg: null }),
  'alg a list': withHeader({ alg: ['HS256'] }),
  'alg absent': withHeader({ alg: undefined }),
  'alg in lower case': withHeader({ alg: 'hs256' }),
  // confusion of algorithms
  'HS384 with the right secret': signRaw(header.replace('HS256', 'HS384'), payload, SECRET, 'sha384'),
  'HS512 with the right secret': signRaw(header.replace('HS256', 'HS512'), payload, SECRET, 'sha512'),
  'HS384 under a header of HS256': signRaw(header, payload, SECRET, 'sha384'),
  RS256: rsaSigned('RS256'),
  PS256: rsaSigned('PS256'),
  'RS256 in the header, HMAC with the right secret': withHeader({ alg: 'RS256' }),
  'HS256 with a public key as the secret': signRaw(header, payload, publicPem),
  'HS256 with an empty secret': signRaw(header, payload, ''),
  'HS256 with another secret': signRaw(header, payload, OTHER_SECRET),
  // signatures
  'signature empty': `${headerPart}.${payloadPart}.`,
  'signature blank': `${headerPart}.${payloadPart}. `,
  'signature null': `${headerPart}.${payloadPart}.null`,
  'signature of zeros': `${headerPart}.${payloadPart}.${'A'.repeat(43)}`,
  'signature cut short': good.slice(0, -1),
  'signature with more behind it': `${good}A`,
  'signature padded': `${good}=`,
  'signature with a NUL behind it': `${good}\0`,
  'signature in base64 with other last bits': good.slice(0, -1) + otherLastBits(good),
  // base64 and segments
  'nothing at all': '',
  'one segment': headerPart,
  'two segments': `${headerPart}.${payloadPart}`,
  'four segments': `${good}.${signaturePart}`,
  'five segments, as an encrypted token has': `${good}.${signaturePart}.${signaturePart}`,
  'only dots': '..',
  'empty header': `.${payloadPart}.${signaturePart}`,
  'empty payload': signRaw(header, ''),
  'bad base64 in the header': `*${headerPart}.${payloadPart}.${signaturePart}`,
  'bad base64 in the payload': `${headerPart}.*${payloadPart}.${signaturePart}`,
  'blank before it': ` ${good}`,
  'blank after it': `${good} `,
  'line feed in it': `${headerPart}\n.${payloadPart}.${signaturePart}`,
  'payload padded': signSegments(headerPart, `${payloadPart}=`),
  'payload with blanks in its base64': signSegments(
    headerPart,
    `${payloadPart.slice(0, 4)} ${payloadPart.slice(4)}`,
  ),
  'header with blanks in its JSON': signRaw(header.replace(':', ': '), payload),
  'header in another order': withHeaderText('{"typ":"JWT","alg":"HS256"'),
  'header with a BOM': signRaw(`\ufeff${header}`, payload),
  // header fields
  'typ absent': withHeader({ typ: undefined }),
  'typ of another kind': withHeader({ typ: 'at+jwt' }),
  'typ in lower case': withHeader({ typ: 'jwt' }),
  'cty of a nested token': withHeader({ cty: 'JWT' }),
  jku: withHeader({ jku: 'https://attacker.example/keys' }),
  jwk: withHeader({ jwk: { kty: 'oct', k: base64url(SECRET) } }),
  x5u: withHeader({ x5u: 'https://attacker.example/cert' }),
  x5c: withHeader({ x5c: [] }),
  crit: withHeader({ crit: ['exp'] }),
  'crit empty': withHeader({ crit: [] }),
  zip: withHeader({ zip: 'DEF' }),
  b64: withHeader({ b64: false }),
  'a header field named __proto__': signRaw(header.replace('{', '{"__proto__":{"alg":"HS256"},'), payload),
  'header no object': signRaw('"HS256"', payload),
  'header null': signRaw('null', payload),
  // kid
  'kid absent': withHeader({ kid: undefined }),
  'kid empty': withHeader({ kid: '' }),
  'kid __proto__': withHeader({ kid: '__proto__' }),
  'kid constructor': withHeader({ kid: 'constructor' }),
  'kid a path': withHeader({ kid: '../../../../dev/null' }),
  'kid an SQL text': withHeader({ kid: "' UNION SELECT 'k' -- " }),
  'kid a command': withHeader({ kid: '| touch /tmp/x' }),
  'kid a number': withHeader({ kid: 0 }),
  'kid an object': withHeader({ kid: { toString: 'x' } }),
  'kid a list': withHeader({ kid: [(JSON.parse(header) as { kid: string }).kid] }),
  'kid null': withHeader({ kid: null }),
  'kid with a NUL': withHeader({ kid: `${(JSON.parse(header) as { kid: string }).kid}\0` }),
  // payloads that are no claims
  'payload a string': signRaw(header, '"claims"'),
  'payload null': signRaw(header, 'null'),
  'payload a list': signRaw(header, '[]'),
  'payload a number': signRaw(header, '1'),
  'payload empty object': signRaw(header, '{}'),
  'payload no JSON': signRaw(header, '{"iss":'),
  'payload a nested token': signRaw(header, good),
  'payload a nested token as JSON': signRaw(header, JSON.stringify(good)),
  // claims
  'iss absent': withClaims({ iss: undefined }),
  'iss of another service': withClaims({ iss: 'other' }),
  'iss a list': withClaims({ iss: ['ringcache'] }),
  'aud absent': withClaims({ aud: undefined }),
  'aud of another service': withClaims({ aud: 'other' }),
  'aud a list with ours': withClaims({ aud: ['ringcache'] }),
  'aud a list with ours and others': withClaims({ aud: ['other', 'ringcache'] }),
  'aud null': withClaims({ aud: null }),
  'aud in upper case': withClaims({ aud: 'RINGCACHE' }),
  'sub absent': withClaims({ sub: undefined }),
  'sub empty': withClaims({ sub: '' }),
  'sub an object': withClaims({ sub: {} }),
  'jti absent': withClaims({ jti: undefined }),
  'jti a number': withClaims({ jti: 1 }),
  'scope absent': withClaims({ scope: undefined }),
  'scope a list': withClaims({ scope: ['read'] }),
  'exp absent': withClaims({ exp: undefined }),
  'exp a string': withClaims({ exp: String(now + 60) }),
  'exp null': withClaims({ exp: null }),
  'exp negative': withClaims({ exp: -1 }),
  'exp zero': withClaims({ exp: 0 }),
  'exp a fraction': withClaims({ exp: now + 60.5 }),
  'exp a list': withClaims({ exp: [now + 60] }),
  'exp far away': withClaims({ exp: Number.MAX_SAFE_INTEGER }),
  'exp beyond integers': withPayloadText(`"exp":${now + TTL_SECONDS}`, '"exp":9007199254740993'),
  'exp infinite': withPayloadText(`"exp":${now + TTL_SECONDS}`, '"exp":1e309'),
  'exp in milliseconds': withClaims({ exp: (now + 60) * 1000 }),
  'exp a little too far from iat': withClaims({ exp: now + TTL_SECONDS + LEEWAY_SECONDS + 1 }),
  'exp passed': withClaims({ iat: now - 60, nbf: now - 60, exp: now - LEEWAY_SECONDS }),
  'nbf absent': withClaims({ nbf: undefined }),
  'nbf a string': withClaims({ nbf: String(now) }),
  'nbf to come': withClaims({ nbf: now + LEEWAY_SECONDS + 1 }),
  'iat absent': withClaims({ iat: undefined }),
  'iat a string': withClaims({ iat: String(now) }),
  'iat to come': withClaims({ iat: now + LEEWAY_SECONDS + 1 }),
  'iat negative': withClaims({ iat: -1 }),
  'a claim that nobody knows': withClaims({ prefixes: ['a:'] }),
  'a claim in place of another': withClaims({ scope: undefined, scopes: 'read' }),
  'a claim named __proto__': withPayloadText('{', '{"__proto__":{"admin":true},'),
  'a claim twice, the good one last': withPayloadText('{', '{"sub":"admin",'),
  'a claim twice, the good one first': signRaw(header, payload.replace(/}$/, ',"sub":"admin"}')),
  'a claim twice, once escaped': withPayloadText('{', '{"s\\u0075b":"admin",'),
  'payload with blanks in its JSON': withPayloadText(':', ': '),
  'payload with a BOM': signRaw(header, `\ufeff${payload}`),
  // size
  'one character too long': 'a'.repeat(TOKEN_CHARS_MAX + 1),
  'a good signature, but too long': withClaims({ sub: 'x'.repeat(TOKEN_CHARS_MAX) }),
  '1 MiB': 'a'.repeat(1024 * 1024),
  '1 MiB of dots': '.'.repeat(1024 * 1024),
  '1 MiB behind a good header': `${headerPart}.${'A'.repeat(1024 * 1024)}.${signaturePart}`,
};

function otherLastBits(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  // 43 characters carry 258 bits for 256: the last two bits are read by nobody who is not strict.
  return alphabet[alphabet.indexOf(text.at(-1) ?? '') ^ 1] ?? '';
}

function withHeaderText(start: string): string {
  return signRaw(header.replace('{"alg":"HS256","typ":"JWT"', start), payload);
}

const refusal = { code: 'unauthenticated', message: 'The bearer token is not valid.' };

describe('a token', () => {
  it('that was issued is verified', () => {
    const { tokenId, clientId, scopes, refusedAtMs } = tokens.verify(good);
    expect({ clientId, scopes }).toEqual({ clientId: 'client-1', scopes: ['read', 'write'] });
    expect(tokenId).toBe(claims.jti);
    expect(refusedAtMs).toBe((now + TTL_SECONDS + LEEWAY_SECONDS) * 1000);
  });

  it('made by hand as the ones below, but without their fault, is verified', () => {
    expect(withClaims({})).toBe(good);
    expect(withHeader({})).toBe(good);
    expect(tokens.verify(withClaims({ sub: 'client-2' })).clientId).toBe('client-2');
  });

  it('carries exactly the claims of the contract', () => {
    expect(claims).toEqual({
      iss: 'ringcache',
      aud: 'ringcache',
      sub: 'client-1',
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      iat: now,
      nbf: now,
      exp: now + TTL_SECONDS,
      scope: 'read write',
    });
  });

  it('has an id of its own each time', () => {
    expect(tokens.issue('client-1', ['read'])).not.toBe(tokens.issue('client-1', ['read']));
  });

  it.each(Object.keys(hostile))('is refused in the one shape: %s', (name) => {
    const failure = failureOf(() => tokens.verify(hostile[name] ?? good));
    expect({ code: failure.code, message: failure.message }).toEqual(refusal);
    expect(Object.keys(failure)).toEqual(Object.keys(failureOf(() => tokens.verify('x'))));
    expect(failure.cause).toMatch(/^token: (length|header|claims|signature or time)$/);
  });

  it('leaves Object.prototype alone, whatever it holds', () => {
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });
});

describe('the leeway of five seconds', () => {
  const verifyAt = (offsetMs: number, token: string) => {
    const at = createFakeClock();
    at.advance(offsetMs);
    const verifier = new Tokens({ secret: SECRET, previousSecret: undefined, ttlSeconds: TTL_SECONDS }, at);
    return () => verifier.verify(token);
  };
  const endMs = (TTL_SECONDS + LEEWAY_SECONDS) * 1000;

  it('lets a token live to the last millisecond and no longer', () => {
    expect(verifyAt(endMs - 1, good)).not.toThrow();
    expect(failureOf(verifyAt(endMs, good)).code).toBe('unauthenticated');
  });

  it('lets a token of a gateway whose clock is five seconds ahead in, and no more', () => {
    const ahead = withClaims({ iat: now + 5, nbf: now + 5, exp: now + 5 + TTL_SECONDS });
    expect(verifyAt(0, ahead)).not.toThrow();
    expect(failureOf(verifyAt(-1, ahead)).code).toBe('unauthenticated');
  });
});

describe('a change of the secret', () => {
  const later = new Tokens({ secret: OTHER_SECRET, previousSecret: SECRET, ttlSeconds: TTL_SECONDS }, clock);

  it('leaves tokens of the previous secret good', () => {
    expect(later.verify(good).clientId).toBe('client-1');
  });

  it('issues with the new one only', () => {
    const fresh = later.issue('client-1', ['read']);
    expect(later.verify(fresh).clientId).toBe('client-1');
    expect(failureOf(() => tokens.verify(fresh)).code).toBe('unauthenticated');
  });

  it('ends tokens of the previous secret when that is taken away', () => {
    const last = new Tokens(
      { secret: OTHER_SECRET, previousSecret: undefined, ttlSeconds: TTL_SECONDS },
      clock,
    );
    expect(failureOf(() => last.verify(good)).code).toBe('unauthenticated');
  });

  it('does not let one key sign under the name of the other', () => {
    expect(failureOf(() => later.verify(signRaw(header, payload, OTHER_SECRET))).code).toBe(
      'unauthenticated',
    );
  });
});
