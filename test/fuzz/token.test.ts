import fc from 'fast-check';
import { Tokens } from '../../src/auth/tokens';
import { CacheError } from '../../src/core/errors';
import { createFakeClock } from '../support/fake-clock';
import { SECRET, signRaw, textsOf } from '../unit/auth-support';

const clock = createFakeClock();
const tokens = new Tokens({ secret: SECRET, previousSecret: undefined, ttlSeconds: 900 }, clock);
const good = tokens.issue('client-1', ['read']);
const { header, payload } = textsOf(good);

/** True when the token is refused in the one way; false when it is taken. Anything else throws. */
function isRefused(token: string): boolean {
  try {
    tokens.verify(token);
    return false;
  } catch (error) {
    if (error instanceof CacheError && error.code === 'unauthenticated') return true;
    throw error;
  }
}

describe('a token', () => {
  it('of any text is refused, and never breaks the verifier', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => isRefused(text)));
  });

  it('with any one character changed, put in or left out is refused', () => {
    const edit = fc.record({
      at: fc.nat(good.length - 1),
      remove: fc.constantFrom(0, 1),
      insert: fc.string({ unit: 'binary', maxLength: 2 }),
    });
    fc.assert(
      fc.property(edit, ({ at, remove, insert }) => {
        const edited = good.slice(0, at) + insert + good.slice(at + remove);
        return edited === good || isRefused(edited);
      }),
      { numRuns: 1000 },
    );
  });

  it('with a good signature over any header but ours is refused', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.json(), fc.string()),
        (text) => text === header || isRefused(signRaw(text, payload)),
      ),
    );
  });

  it('with a good signature over any payload that is not our claims is refused', () => {
    const claims: unknown = JSON.parse(payload);
    const changed = fc
      .tuple(fc.constantFrom('iss', 'aud', 'jti', 'iat', 'nbf', 'exp', 'extra'), fc.jsonValue())
      // A text is a good jti, and a time near now a good time.
      .filter(([name, value]) => !(name === 'jti' && typeof value === 'string'))
      .map(([name, value]) => JSON.stringify({ ...(claims as object), [name]: value }));
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string(), changed), (text) => {
        return text === payload || isRefused(signRaw(header, text));
      }),
      { numRuns: 1000 },
    );
  });
});
