/** Frames as a client writes them, for tests that say byte by byte what they send. */
import { STATIC_FIELDS } from '../../src/http2/hpack-static-table.ts';

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const SETTINGS = frame(4, 0, 0);
export const SETTINGS_ACK = frame(4, 1, 0);
/** What a client begins with. */
export const HELLO = Buffer.concat([PREFACE, SETTINGS]);

export const END_STREAM = 1;
export const END_HEADERS = 4;
export const PADDED = 8;

/** A received frame. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array | readonly number[] = [],
): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(streamId, 5);
  bytes.set(payload, 9);
  return bytes;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const windowUpdate = (streamId: number, increment: number): Buffer =>
  frame(8, 0, streamId, uint32(increment));
export const resetStream = (streamId: number, code = 8): Buffer =>
  frame(3, 0, streamId, uint32(code));
export const ping = (text = 'pingping', flags = 0): Buffer =>
  frame(6, flags, 0, Buffer.from(text, 'latin1'));
export const data = (streamId: number, content: string | Uint8Array, flags = END_STREAM): Buffer =>
  frame(0, flags, streamId, Buffer.from(content));
export const settings = (...pairs: readonly (readonly [id: number, value: number])[]): Buffer =>
  frame(
    4,
    0,
    0,
    Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.from([0, id]), uint32(value)]))),
  );

export type Fields = readonly (readonly [name: string, value: string])[];

export const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'test'],
];
export const POST: Fields = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/probe.Probe/Echo'],
  [':authority', 'test'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
];

/** HEADERS with a whole block. */
export function headers(streamId: number, fields: Fields, flags = END_STREAM): Buffer {
  return frame(1, flags | END_HEADERS, streamId, plainBlock(fields));
}

/** A header block of literals that are not to be remembered, and of static fields. */
export function plainBlock(fields: Fields): Buffer {
  return Buffer.concat(fields.map(([name, value]) => plainField(name, value)));
}

function plainField(name: string, value: string): Buffer {
  const at = STATIC_FIELDS.findIndex((field) => field[0] === name && field[1] === value);
  if (at >= 0) return Buffer.from([0x80 | (at + 1)]);
  return Buffer.concat([Buffer.from([0]), plainString(name), plainString(value)]);
}

export function plainString(text: string): Buffer {
  return Buffer.concat([integer(0, 7, text.length), Buffer.from(text, 'latin1')]);
}

/** RFC 7541 section 5.1. */
export function integer(pattern: number, prefixBits: number, value: number): Buffer {
  const limit = 2 ** prefixBits - 1;
  if (value < limit) return Buffer.from([pattern | value]);
  const bytes = [pattern | limit];
  let rest = value - limit;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}
