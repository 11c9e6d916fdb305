import { ScalarType, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

const MAX_NESTING = 100;

/**
 * What a strictly conformant parser sees in an encoded message, encoded again: known fields with their own wire type, in
 * the order given; everything else dropped. protobuf-es itself reads known fields with any wire type and lets a nested
 * message run over its end, which no two parsers do alike.
 *
 * @returns `undefined` where the bytes are not a message.
 */
export function knownFields(desc: DescMessage, bytes: Uint8Array): Uint8Array | undefined {
  try {
    return copyMessage(desc, bytes, MAX_NESTING);
  } catch {
    return undefined;
  }
}

function copyMessage(desc: DescMessage, bytes: Uint8Array, nesting: number): Uint8Array {
  if (nesting < 0) throw new Error('too deep');
  return copyFields(
    new Map(desc.fields.map((field) => [field.number, shapeOf(field)])),
    bytes,
    nesting,
  );
}

/** What may stand in a field. */
interface Shape {
  readonly wireType: WireType;
  /** Wire type of its items, where they may also come packed. */
  readonly itemType?: WireType;
  readonly isText?: boolean;
  readonly message?: (bytes: Uint8Array, nesting: number) => Uint8Array;
}

function shapeOf(field: DescField): Shape {
  switch (field.fieldKind) {
    case 'message':
      return messageShape(field.message);
    case 'enum':
      return { wireType: WireType.Varint };
    case 'scalar':
      return scalarShape(field.scalar);
    case 'map': {
      const value =
        field.mapKind === 'message' ? messageShape(field.message) : scalarShape(ScalarType.STRING);
      const entry = new Map([
        [1, scalarShape(field.mapKey)],
        [2, value],
      ]);
      return {
        wireType: WireType.LengthDelimited,
        message: (bytes, nesting) => copyFields(entry, bytes, nesting),
      };
    }
    case 'list': {
      if (field.listKind === 'message') return messageShape(field.message);
      const item =
        field.listKind === 'enum' ? { wireType: WireType.Varint } : scalarShape(field.scalar);
      return { ...item, itemType: item.wireType };
    }
  }
}

function messageShape(desc: DescMessage): Shape {
  return {
    wireType: WireType.LengthDelimited,
    message: (bytes, nesting) => copyMessage(desc, bytes, nesting),
  };
}

function scalarShape(type: ScalarType): Shape {
  switch (type) {
    case ScalarType.STRING:
      return { wireType: WireType.LengthDelimited, isText: true };
    case ScalarType.BYTES:
      return { wireType: WireType.LengthDelimited };
    case ScalarType.DOUBLE:
      return { wireType: WireType.Bit64 };
    case ScalarType.FLOAT:
      return { wireType: WireType.Bit32 };
    default:
      return { wireType: WireType.Varint };
  }
}

function copyFields(
  shapes: ReadonlyMap<number, Shape>,
  bytes: Uint8Array,
  nesting: number,
): Uint8Array {
  const reader = new BinaryReader(bytes);
  const writer = new BinaryWriter();
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const raw = reader.skip(wireType, number, nesting);
    if (wireType === WireType.Varint && raw.length > 10) throw new Error('varint too long');
    const shape = shapes.get(number);
    if (shape === undefined) continue;
    const isPacked =
      wireType === WireType.LengthDelimited &&
      shape.itemType !== undefined &&
      shape.itemType !== WireType.LengthDelimited;
    if (wireType !== shape.wireType && !isPacked) continue;
    writer.tag(number, wireType);
    if (wireType !== WireType.LengthDelimited) {
      writer.raw(raw);
      continue;
    }
    const payload = new BinaryReader(raw).bytes();
    if (lengthBytes(raw, payload) > 5) throw new Error('length too long');
    if (isPacked) checkPacked(payload, shape.itemType);
    if (shape.isText === true) new TextDecoder('utf-8', { fatal: true }).decode(payload);
    writer.bytes(shape.message === undefined ? payload : shape.message(payload, nesting - 1));
  }
  return writer.finish();
}

function lengthBytes(raw: Uint8Array, payload: Uint8Array): number {
  return raw.length - payload.length;
}

function checkPacked(payload: Uint8Array, itemType: WireType): void {
  const reader = new BinaryReader(payload);
  while (reader.pos < reader.len) {
    if (reader.skip(itemType).length > 10) throw new Error('varint too long');
  }
}
