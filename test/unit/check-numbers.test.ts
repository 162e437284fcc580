/** Which JSON numbers a double holds exactly, and that all numbers of a body are found. */
import fc from 'fast-check';
import { CacheError } from '../../src/core/errors';
import { checkNumbers, isExact } from '../../src/core/check-numbers';

describe('a number that a double holds exactly is accepted', () => {
  it.each([
    ...['0', '-0', '0.0', '1', '-1', '1.0', '1.50', '100', '0.1', '0.30', '1e2', '1E+2', '1e-7', '12e-1'],
    ...['9007199254740992', '9007199254740994', '123456789012345', '0.000000000000001', '1e308', '1e22'],
    ...['5e-324', '1.7976931348623157e308', '-1.5e-10', '100000000000000000000000', '0e400', '0.0e-999'],
    ...[`0.${'0'.repeat(400)}1e401`, `1${'0'.repeat(400)}e-400`],
  ])('%s', (number) => {
    expect(isExact(number)).toBe(true);
  });
});

describe('a number that a double would change is refused', () => {
  it.each([
    ...['9007199254740993', '-9007199254740993', '0.1000000000000000055', '1e400', '-1e400', '1e-400'],
    ...[
      '12345678901234567890',
      '3.14159265358979323846',
      '1.00000000000000000001',
      '4.9e-324',
      '1e99999999999',
    ],
    ...['2.4703282292062328e-324', `1${'0'.repeat(400)}`, '9007199254740993.0', '9007199254740993e0'],
  ])('%s', (number) => {
    expect(isExact(number)).toBe(false);
  });
});

it('what JavaScript prints of a double is that double', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (double) => isExact(String(double))),
    { seed: 20, numRuns: 2000 },
  );
});

it('an integer is exact when BigInt says so', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }),
      // A double prints its shortest spelling: 1e23 stands for another integer than 10^23, but prints as it.
      (integer) => isExact(String(integer)) === (BigInt(printed(Number(integer))) === integer),
    ),
    { seed: 21, numRuns: 2000 },
  );
});

/** A double's own digits without an exponent. */
function printed(double: number): string {
  const [mantissa = '', exponent = '0'] = String(double).split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  return whole + fraction + '0'.repeat(Number(exponent) === 0 ? 0 : Number(exponent) - fraction.length);
}

describe('in a body', () => {
  it.each([
    '{"value":9007199254740993}',
    '{"value":[[{"a":[1,9007199254740993]}]]}',
    '{"a":"\\"","value":9007199254740993}',
    '{"a":"\\\\","value":9007199254740993}',
    '{"a":"\\\\\\"","value": \n 9007199254740993 }',
    '9007199254740993',
    '[-9007199254740993]',
  ])('the number is found wherever it stands: %s', (json) => {
    expect(() => JSON.parse(json) as unknown).not.toThrow();
    expect(() => checkNumbers(json)).toThrow(CacheError);
  });

  it.each([
    '{"value":"9007199254740993"}',
    '{"9007199254740993":1}',
    '{"value":"\\"9007199254740993"}',
    '{"value":"\\\\\\"9007199254740993\\\\"}',
    '{"value":[1,2.5,-3e2,true,null,"1e400"]}',
  ])('digits in strings and names are text: %s', (json) => {
    expect(() => JSON.parse(json) as unknown).not.toThrow();
    expect(() => checkNumbers(json)).not.toThrow();
  });

  it('a long body with many escapes is looked at in linear time and without deep stacks', () => {
    const json = `["${'\\"'.repeat(500_000)}","${'\\\\'.repeat(500_000)}",${'1,'.repeat(500_000)}9007199254740993]`;
    expect(() => checkNumbers(json)).toThrow(CacheError);
  });
});
