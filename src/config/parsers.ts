/**
 * How the text of a setting becomes its value. A reason never repeats the text it refuses: it may be a secret, or
 * hold one, and faults end in logs.
 */

/** Thrown by a parser: why a setting cannot be used, one sentence part each, to stand behind the variable's name. */
export class Refused extends Error {
  override readonly name = 'Refused';

  constructor(readonly reasons: readonly string[]) {
    super(reasons.join('; '));
  }
}

/** Turns a setting's text, never empty, into its value. @throws Refused */
export type Parser<T> = (text: string) => T;

export const parseText: Parser<string> = (text) => text;

/** A name or an address, without brackets or port. */
export const parseHost: Parser<string> = (text) => {
  if (/^[\w.:%-]+$/.test(text)) return text;
  throw new Refused(['must be a host name or an IP address, without brackets or a port']);
};

export const parseFlag: Parser<boolean> = (text) => {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new Refused(['must be true or false']);
};

/** A whole number within the bounds, in plain digits. */
export function integerParser(min: number, max: number): Parser<number> {
  return (text) => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (number >= min && number <= max) return number;
    throw new Refused([`must be a whole number from ${min} to ${max}`]);
  };
}

/** One process hands out the connections, and each worker has its own links to Redis: more is a slip of the pen. */
export const WORKERS_MAX = 64;

/** `auto`, or so many. */
export function parseWorkers(text: string): number | 'auto' {
  if (text === 'auto') return text;
  const number = /^\d{1,2}$/.test(text) ? Number(text) : NaN;
  if (number >= 1 && number <= WORKERS_MAX) return number;
  throw new Refused([`must be auto, or a whole number from 1 to ${WORKERS_MAX}`]);
}

/** Seconds, fractions allowed, as whole milliseconds: at least 1, unless the text says 0 and `min` allows it. */
export function secondsParser(min: number, max: number): Parser<number> {
  return (text) => {
    const seconds = /^(\d{1,15}(\.\d{0,9})?|\.\d{1,9})$/.test(text) ? Number(text) : NaN;
    if (seconds >= min && seconds <= max) return seconds === 0 ? 0 : Math.max(1, Math.round(seconds * 1000));
    throw new Refused([`must be seconds from ${min} to ${max}`]);
  };
}

/** One of `names`. */
export function nameParser<const N extends string>(names: readonly N[]): Parser<N> {
  return (text) => {
    const found = names.find((name) => name === text);
    if (found !== undefined) return found;
    throw new Refused([`must be ${names.join(' or ')}`]);
  };
}

/** A secret of at least so many bytes of UTF-8. */
export function secretParser(bytesMin: number): Parser<string> {
  return (text) => {
    if (new TextEncoder().encode(text).length >= bytesMin) return text;
    throw new Refused([`must be at least ${bytesMin} bytes long`]);
  };
}

/**
 * At least 24 characters; more is not asked, since whoever sets it also chooses who may know it. At most so many
 * UTF-16 units as a login takes (`auth/setting-client.ts`): a longer key could never log in.
 */
export const parseApiKey: Parser<string> = (text) => {
  if (Array.from(text).length >= 24 && text.length <= 4096) return text;
  throw new Refused(['must be 24 to 4,096 characters long']);
};

export interface EncryptionKey {
  readonly id: string;
  /** 32 of them. */
  readonly bytes: Buffer;
}

/** `kid:base64,kid:base64`; the names are distinct, each key is 32 bytes in canonical, padded base64. */
export const parseEncryptionKeys: Parser<readonly EncryptionKey[]> = (text) => {
  const reasons: string[] = [];
  const keys = text.split(',').map((item, index) => {
    const [, id, base64] = /^([\w.-]{1,32}):([A-Za-z0-9+/]+=*)$/.exec(item.trim()) ?? [];
    const bytes = Buffer.from(base64 ?? '', 'base64');
    if (id === undefined) {
      reasons.push(
        `key ${index + 1} must be written name:base64, the name of 1 to 32 letters, digits, dots, dashes or underscores`,
      );
    } else if (bytes.length !== 32 || bytes.toString('base64') !== base64) {
      reasons.push(`key ${index + 1} must be exactly 32 bytes in base64 (openssl rand -base64 32)`);
    }
    return { id: id ?? '', bytes };
  });
  const named = keys.filter(({ id }) => id !== '');
  if (new Set(named.map(({ id }) => id)).size < named.length) reasons.push('two keys have the same name');
  if (reasons.length > 0) throw new Refused(reasons);
  return keys;
};

/**
 * Origins, divided by commas, each exactly as a browser spells it (RFC 6454 6.2): in lower case, without a path,
 * without the port that its scheme has anyway. A near miss would fit no browser's word and look like a fault of the
 * page.
 */
export const parseOrigins: Parser<readonly string[]> = (text) => {
  const origins = text.split(',').map((origin) => origin.trim());
  const reasons = origins.flatMap((origin, index) => {
    const place = `origin ${index + 1}`;
    if (origin.includes('*'))
      return [`${place} has a *, which is not supported: name each origin as a whole`];
    if (!isOrigin(origin)) {
      return [
        `${place} must be written as browsers do, https://app.example:8443, without a path or a slash behind it`,
      ];
    }
    const twin = origins.indexOf(origin);
    return twin < index ? [`${place} is the same as origin ${twin + 1}`] : [];
  });
  if (reasons.length > 0) throw new Refused(reasons);
  return origins;
};

function isOrigin(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text) && new URL(text).origin === text;
}
