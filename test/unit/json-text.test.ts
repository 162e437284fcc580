import fc from 'fast-check';
import { quoted } from '../../src/core/json-text';

it('quotes every text as JSON.stringify does', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => {
      expect(quoted(text)).toBe(JSON.stringify(text));
    }),
    { numRuns: 2000 },
  );
});

it('quotes every single character as JSON.stringify does', () => {
  for (let unit = 0; unit <= 0xffff; unit += 1) {
    const text = String.fromCharCode(unit);
    if (quoted(text) !== JSON.stringify(text)) throw new Error(`not as JSON.stringify: ${unit.toString(16)}`);
  }
});
