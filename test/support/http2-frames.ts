/** Frames of HTTP/2 (RFC 9113 4.1) by hand, for what no library sends. */

/** What a client says first, with empty SETTINGS. */
export const PREFACE = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0)]);

export const FRAME = { data: 0, headers: 1, ping: 6 } as const;
export const FLAG = { endStream: 1, endHeaders: 4 } as const;

export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.set([type, flags], 3);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** Literal fields that are not indexed (RFC 7541 6.2.2). */
export function fieldBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => Buffer.concat([Buffer.of(0), text(name), text(value)])));
}

function text(value: string): Buffer {
  const { length } = value;
  const prefix = length < 127 ? [length] : [127, ...septets(length - 127)];
  return Buffer.concat([Buffer.from(prefix), Buffer.from(value)]);
}

function septets(rest: number): number[] {
  return rest < 128 ? [rest] : [(rest % 128) + 128, ...septets(Math.floor(rest / 128))];
}
