import { ScalarType, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** What a slow parser driven by the generated descriptors makes of some bytes. */
export interface OracleVerdict {
  readonly accepted: boolean;
  /**
   * A known field came with a wire type that is not its own. Conformant parsers treat it as unknown; protobuf-es reads it
   * anyway, so its answer is worth nothing then.
   */
  readonly hasForeignWireType: boolean;
}

/** Judges an encoded message as a conformant parser does, following descriptors and not the table under test. */
export function judge(message: DescMessage, bytes: Uint8Array): OracleVerdict {
  const found = { foreign: false };
  try {
    walk(message, bytes, 100, found);
    return { accepted: true, hasForeignWireType: found.foreign };
  } catch {
    return { accepted: false, hasForeignWireType: found.foreign };
  }
}

interface Found {
  foreign: boolean;
}

function walk(message: DescMessage, bytes: Uint8Array, nesting: number, found: Found): void {
  if (nesting < 0) {
    throw new Error('nested too deeply');
  }
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const field = message.fields.find((candidate) => candidate.number === number);
    const isPacked = wireType === WireType.LengthDelimited && field?.fieldKind === 'list';
    if (
      field === undefined ||
      (wireType !== ownWireType(field) && !(isPacked && isNumeric(field)))
    ) {
      found.foreign ||= field !== undefined;
      reader.skip(wireType, number, nesting);
    } else if (wireType !== WireType.LengthDelimited) {
      reader.skip(wireType, number, nesting);
    } else {
      walkPayload(field, reader.bytes(), nesting, found);
    }
    if (reader.pos > reader.len) {
      throw new Error('cut');
    }
  }
}

function walkPayload(field: DescField, payload: Uint8Array, nesting: number, found: Found): void {
  if (field.fieldKind === 'map') {
    walkMapEntry(field, payload, nesting - 1, found);
  } else if (field.message !== undefined) {
    walk(field.message, payload, nesting - 1, found);
  } else if (field.scalar === ScalarType.STRING) {
    new TextDecoder('utf-8', { fatal: true }).decode(payload);
  } else if (isNumeric(field)) {
    const packed = new BinaryReader(payload);
    while (packed.pos < packed.len) {
      packed.skip(itemWireType(field.scalar!));
    }
    if (packed.pos > packed.len) {
      throw new Error('cut');
    }
  }
}

/** The only map of these messages: from text to `Value`. */
function walkMapEntry(
  field: DescField & { fieldKind: 'map' },
  entry: Uint8Array,
  nesting: number,
  found: Found,
): void {
  if (nesting < 0) {
    throw new Error('nested too deeply');
  }
  const reader = new BinaryReader(entry);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if ((number !== 1 && number !== 2) || wireType !== WireType.LengthDelimited) {
      found.foreign ||= number === 1 || number === 2;
      reader.skip(wireType, number, nesting);
    } else if (number === 1) {
      new TextDecoder('utf-8', { fatal: true }).decode(reader.bytes());
    } else {
      walk(field.message!, reader.bytes(), nesting - 1, found);
    }
    if (reader.pos > reader.len) {
      throw new Error('cut');
    }
  }
}

function isNumeric(field: DescField): boolean {
  return (
    field.scalar !== undefined &&
    field.scalar !== ScalarType.STRING &&
    field.scalar !== ScalarType.BYTES
  );
}

function ownWireType(field: DescField): WireType {
  if (field.fieldKind === 'map' || field.message !== undefined) {
    return WireType.LengthDelimited;
  }
  return field.enum === undefined ? itemWireType(field.scalar) : WireType.Varint;
}

function itemWireType(scalar: ScalarType): WireType {
  switch (scalar) {
    case ScalarType.DOUBLE:
      return WireType.Bit64;
    case ScalarType.FLOAT:
      return WireType.Bit32;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    default:
      return WireType.Varint;
  }
}
