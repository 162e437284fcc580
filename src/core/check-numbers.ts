/**
 * Numbers that a double cannot hold. JSON.parse rounds them in silence, so that 9007199254740993 would be read back
 * as …992; what was written must be what is read, so such a number is refused. The parser does not show its source
 * text (Node 20), hence the second look at the body here.
 */
import { CacheError } from './errors';
import { endOfString } from './json-text';

const QUOTE = 34;
const PLUS = 43;
const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const NINE = 57;
const UPPER_E = 69;
const LOWER_E = 101;

/** A double holds every decimal number of so many digits, as long as it has no exponent. */
const DIGITS_ALWAYS_EXACT = 15;

/**
 * Looks at each number in `json`, which JSON.parse has accepted. Linear, and without a regular expression over the
 * whole text, whose stack a long body could exhaust.
 * @throws CacheError `bad_request`
 */
export function checkNumbers(json: string): void {
  let at = 0;
  while (at < json.length) {
    const unit = json.charCodeAt(at);
    if (unit === QUOTE) {
      at = endOfString(json, at + 1);
    } else if (unit === MINUS || isDigit(unit)) {
      const end = endOfNumber(json, at + 1);
      if (!isExact(json.slice(at, end))) throw inexact();
      at = end;
    } else {
      at++;
    }
  }
}

/** Whether the double nearest to a JSON number is that number, digit by digit: 1.0, -0, 1e2 and 0.1 are. */
export function isExact(number: string): boolean {
  if (number.length <= DIGITS_ALWAYS_EXACT && !/[eE]/.test(number)) return true;
  const double = Number(number);
  return Number.isFinite(double) && canonical(number) === canonical(String(double));
}

/** `-1.20e3` as `-12e2`: the digits without zeros at their ends, and the power of ten they stand at. */
function canonical(number: string): string {
  const exponentAt = number.search(/[eE]/);
  const mantissa = exponentAt < 0 ? number : number.slice(0, exponentAt);
  const exponent = exponentAt < 0 ? 0 : Number(number.slice(exponentAt + 1));
  const sign = mantissa.startsWith('-') ? '-' : '';
  const unsigned = mantissa.slice(sign.length);
  const pointAt = unsigned.indexOf('.');
  const whole = pointAt < 0 ? unsigned : unsigned.slice(0, pointAt);
  const fraction = pointAt < 0 ? '' : unsigned.slice(pointAt + 1);
  const digits = whole + fraction;
  let first = 0;
  while (first < digits.length && digits.charCodeAt(first) === ZERO) first++;
  // Zero has no sign here: JSON.stringify drops it, and -0 equals 0.
  if (first === digits.length) return '0';
  let end = digits.length;
  while (digits.charCodeAt(end - 1) === ZERO) end--;
  return `${sign}${digits.slice(first, end)}e${exponent - fraction.length + (digits.length - end)}`;
}

function endOfNumber(json: string, from: number): number {
  let at = from;
  while (at < json.length && isNumberPart(json.charCodeAt(at))) at++;
  return at;
}

function isNumberPart(unit: number): boolean {
  return (
    isDigit(unit) || unit === POINT || unit === LOWER_E || unit === UPPER_E || unit === PLUS || unit === MINUS
  );
}

function isDigit(unit: number): boolean {
  return unit >= ZERO && unit <= NINE;
}

function inexact(): CacheError {
  return new CacheError(
    'bad_request',
    'The JSON has a number that a double cannot hold exactly: send it as a string.',
  );
}
