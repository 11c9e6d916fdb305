import { ConnectionError, ErrorCode } from './frame.ts';
import { createField, fieldBytes, type HpackField } from './hpack-field.ts';
import { HpackTable } from './hpack-table.ts';
import { decodeHuffman, MIN_CODE_BITS } from './huffman.ts';

/** Where Huffman strings are decoded to; shared, because a string is made of it at once. */
let scratch = Buffer.allocUnsafeSlow(4096);

/** The decoder of one connection (RFC 7541). Its result is in `fields` until the next block. */
export class HpackDecoder {
  readonly table = new HpackTable();
  /** The decoded fields in their order, as far as they kept within the limit. */
  fields: HpackField[] = [];
  /** The fields were more than `maxListBytes`, counted as RFC 9113 section 6.5.2 says. */
  isOverLimit = false;
  /** Position in the block that is being decoded; private to the functions of this file. */
  at = 0;

  /**
   * Decodes one header block, `bytes[start, end)`. Fields beyond the limit are not kept, but what they do to the table is
   * done, so that the next block finds it as the client left it.
   *
   * @throws ConnectionError COMPRESSION_ERROR
   */
  decode(bytes: Buffer, start: number, end: number, maxListBytes: number): void {
    const fields: HpackField[] = [];
    let listBytes = 0;
    this.at = start;
    this.readSizeUpdates(bytes, end);
    while (this.at < end) {
      const field = this.readField(bytes, end);
      listBytes += fieldBytes(field);
      if (listBytes <= maxListBytes) fields.push(field);
    }
    this.fields = fields;
    this.isOverLimit = listBytes > maxListBytes;
  }

  /** Changes of the table's size stand before all fields, at most two of them (RFC 7541 section 4.2). */
  private readSizeUpdates(bytes: Buffer, end: number): void {
    for (let count = 0; this.at < end && (bytes[this.at]! & 0xe0) === 0x20; count++) {
      if (count === 2) throw compressionError('more than two changes of the table size');
      if (!this.table.resize(readInteger(this, bytes, end, 0x1f))) {
        throw compressionError('the table size is over what was allowed');
      }
    }
  }

  private readField(bytes: Buffer, end: number): HpackField {
    const byte = bytes[this.at]!;
    if ((byte & 0x80) !== 0) return this.fieldAt(readInteger(this, bytes, end, 0x7f));
    if ((byte & 0x40) !== 0) {
      const field = this.readLiteral(bytes, end, 0x3f);
      this.table.insert(field);
      return field;
    }
    if ((byte & 0x20) !== 0) throw compressionError('the table size changes amid a header block');
    return this.readLiteral(bytes, end, 0x0f);
  }

  private readLiteral(bytes: Buffer, end: number, prefixMask: number): HpackField {
    const index = readInteger(this, bytes, end, prefixMask);
    const name = index === 0 ? readString(this, bytes, end) : this.fieldAt(index).name;
    return createField(name, readString(this, bytes, end));
  }

  private fieldAt(index: number): HpackField {
    const field = this.table.field(index);
    if (field === undefined) throw compressionError(`there is no field ${index}`);
    return field;
  }
}

/** Reads an integer below the bits of its first byte's prefix (RFC 7541 section 5.1) and moves on. */
function readInteger(
  decoder: HpackDecoder,
  bytes: Buffer,
  end: number,
  prefixMask: number,
): number {
  if (decoder.at >= end) throw compressionError('the header block is cut off');
  let value = bytes[decoder.at++]! & prefixMask;
  if (value < prefixMask) return value;
  // Four more bytes hold all that we have a use for; padding with zeros is not let through either.
  for (let shift = 0; shift < 28; shift += 7) {
    if (decoder.at >= end) throw compressionError('the header block is cut off');
    const byte = bytes[decoder.at++]!;
    value += (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw compressionError('an integer is too large');
}

function readString(decoder: HpackDecoder, bytes: Buffer, end: number): string {
  const isCoded = decoder.at < end && bytes[decoder.at]! >= 0x80;
  const length = readInteger(decoder, bytes, end, 0x7f);
  const start = decoder.at;
  if (length > end - start) throw compressionError('a string is cut off');
  decoder.at = start + length;
  if (!isCoded) return bytes.toString('latin1', start, decoder.at);
  const mostBytes = Math.ceil((length * 8) / MIN_CODE_BITS);
  if (mostBytes > scratch.length) scratch = Buffer.allocUnsafeSlow(2 * mostBytes);
  const decodedEnd = decodeHuffman(bytes, start, decoder.at, scratch, 0);
  if (decodedEnd < 0) throw compressionError('a string is not Huffman-coded');
  return scratch.toString('latin1', 0, decodedEnd);
}

function compressionError(reason: string): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, reason);
}
