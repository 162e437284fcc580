/**
 * Whether bytes are a message of protobuf's wire format, of a type of ours. The library's own reader guesses where they
 * are not: it takes what is left for a field that is longer than that, reads a field by its number whatever it is
 * announced to be, and puts U+FFFD in place of what is no UTF-8, so that other bytes would be the same key.
 *
 *     message = field…      field = tag, content      tag = varint (number × 8 + wire type)
 *
 *     wire type 0   varint: 7 bits a byte, the lowest first, the top bit says that more follow
 *               1   8 bytes
 *               2   varint length, then so many bytes: text, bytes, a message
 *               5   4 bytes
 *
 * (protobuf.dev/programming-guides/encoding). Fields that the type does not have are passed over.
 */
import { isUtf8 } from 'node:buffer';
import type { PackageDefinition } from '@grpc/proto-loader';

/** What a field of a known number must be. */
interface FieldShape {
  readonly wireType: number;
  /** The name of its type, for a message; `text` for text. */
  readonly content: string | undefined;
}
type MessageShape = ReadonlyMap<number, FieldShape>;

/** As the library describes a message type (google/protobuf/descriptor.proto). */
interface Descriptor {
  readonly field: readonly { readonly number: number; readonly type: string; readonly typeName: string }[];
}

const VARINT = 0;
const EIGHT_BYTES = 1;
const LENGTH_DELIMITED = 2;
const FOUR_BYTES = 5;
/** Of 64 bits. */
const VARINT_BYTES_MAX = 10;
const TEXT = 'text';

const WIRE_TYPES: Readonly<Record<string, number>> = {
  TYPE_STRING: LENGTH_DELIMITED,
  TYPE_BYTES: LENGTH_DELIMITED,
  TYPE_MESSAGE: LENGTH_DELIMITED,
  TYPE_DOUBLE: EIGHT_BYTES,
};

export class WireFormat {
  readonly #shapes = new Map<string, MessageShape>();

  constructor(definition: PackageDefinition) {
    for (const [name, entry] of Object.entries(definition)) {
      const { type } = entry as { readonly type?: Partial<Descriptor> };
      if (type?.field === undefined) continue;
      const shape = type.field.map(({ number, type: kind, typeName }): [number, FieldShape] => {
        const content = kind === 'TYPE_STRING' ? TEXT : kind === 'TYPE_MESSAGE' ? typeName : undefined;
        return [number, { wireType: WIRE_TYPES[kind] ?? VARINT, content }];
      });
      this.#shapes.set(shortName(name), new Map(shape));
    }
  }

  /** `typeName`: with or without its package. Nests no deeper than the types do. */
  isMessage(bytes: Buffer, typeName: string): boolean {
    const shape = this.#shapes.get(shortName(typeName));
    if (shape === undefined) throw new Error(`there is no type ${typeName}`);
    let at = 0;
    while (at < bytes.length) {
      const tag = readVarint(bytes, at);
      if (tag === undefined || tag.value < 8) return false;
      const wireType = tag.value % 8;
      const field = shape.get(Math.floor(tag.value / 8));
      if (field !== undefined && field.wireType !== wireType) return false;
      const content = contentAt(bytes, tag.end, wireType);
      if (content === undefined) return false;
      at = content.end;
      if (field?.content === undefined) continue;
      const inner = bytes.subarray(content.begin, content.end);
      if (field.content === TEXT ? !isUtf8(inner) : !this.isMessage(inner, field.content)) return false;
    }
    return true;
  }
}

/** From where to where; undefined where it is none. Groups, which protobuf has given up, are none of ours. */
function contentAt(
  bytes: Buffer,
  at: number,
  wireType: number,
): { readonly begin: number; readonly end: number } | undefined {
  const upTo = (begin: number, end: number) => (end <= bytes.length ? { begin, end } : undefined);
  switch (wireType) {
    case VARINT: {
      const varint = readVarint(bytes, at);
      return varint && { begin: at, end: varint.end };
    }
    case EIGHT_BYTES:
      return upTo(at, at + 8);
    case FOUR_BYTES:
      return upTo(at, at + 4);
    case LENGTH_DELIMITED: {
      const length = readVarint(bytes, at);
      return length && upTo(length.end, length.end + length.value);
    }
    default:
      return undefined;
  }
}

/** Exact up to 2^53; beyond that it is more than anything here can be. */
function readVarint(
  bytes: Buffer,
  from: number,
): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let index = 0; index < VARINT_BYTES_MAX; index++) {
    const byte = bytes[from + index];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { value, end: from + index + 1 };
  }
  return undefined;
}

function shortName(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}
