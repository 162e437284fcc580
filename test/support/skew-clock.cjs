// Required by a gateway before the program itself: the clock of its machine is wrong by CLOCK_SKEW_MS. The monotonic clock
// runs as it does, as it would on such a machine. The program knows nothing of it, and nothing of it is shipped.
const skewMs = Number(process.env.CLOCK_SKEW_MS ?? 0);
if (!Number.isFinite(skewMs)) throw new Error('CLOCK_SKEW_MS is not a number');

const RealDate = Date;
const realNow = RealDate.now;

class SkewedDate extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(realNow() + skewMs);
    else super(...given);
  }

  static now() {
    return realNow() + skewMs;
  }
}

// Called without `new` a Date is text, and what was made before is a Date too.
globalThis.Date = new Proxy(SkewedDate, { apply: () => new SkewedDate().toString() });
Object.defineProperty(SkewedDate, 'name', { value: 'Date' });
Object.defineProperty(SkewedDate, Symbol.hasInstance, { value: (each) => each instanceof RealDate });
Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + skewMs });
