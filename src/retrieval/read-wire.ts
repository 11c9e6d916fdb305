import { isUtf8, type Buffer } from 'node:buffer';
import { varintLow32 } from '../feast-encoding/varint.ts';
import { invalidRequest } from './retrieval-errors.ts';

/** The tag at `at`, which `skipTag` has found to be whole. A tag may be written with more bytes than it needs. */
export function readTag(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  return first < 0x80 ? first : varintLow32(bytes, at) >>> 0;
}

/**
 * The text at `[start, end)` of a message.
 *
 * @throws SideboardError INVALID_REQUEST where it is not UTF-8, as protobuf demands of strings
 */
export function readText(bytes: Buffer, start: number, end: number): string {
  for (let at = start; at < end; at++) {
    if (bytes[at]! >= 0x80) return readUnicode(bytes, start, end);
  }
  return bytes.toString('latin1', start, end);
}

function readUnicode(bytes: Buffer, start: number, end: number): string {
  if (!isUtf8(bytes.subarray(start, end))) {
    throw invalidRequest(`the text at byte ${start} is not UTF-8`);
  }
  return bytes.toString('utf8', start, end);
}
