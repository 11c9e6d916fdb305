import { FRAME_HEADER_BYTES, FrameType, SettingId, type ErrorCode } from './frame.ts';
import type { EngineLimits } from './http2-engine.ts';
import type { Output } from './output.ts';

/** Writes the nine bytes in front of a payload. Returns the position after them. */
export function writeFrameHeader(
  out: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): number {
  out[at] = length >>> 16;
  out[at + 1] = length >>> 8;
  out[at + 2] = length;
  out[at + 3] = type;
  out[at + 4] = flags;
  return writeUint32(out, at + 5, streamId);
}

function writeUint32(out: Uint8Array, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

export function writeResetStream(output: Output, streamId: number, code: number): void {
  const at = output.reserve(FRAME_HEADER_BYTES + 4);
  const body = writeFrameHeader(output.bytes, at, 4, FrameType.RST_STREAM, 0, streamId);
  output.at = writeUint32(output.bytes, body, code);
}

/** @param streamId 0 = the connection */
export function writeWindowUpdate(output: Output, streamId: number, increment: number): void {
  const at = output.reserve(FRAME_HEADER_BYTES + 4);
  const body = writeFrameHeader(output.bytes, at, 4, FrameType.WINDOW_UPDATE, 0, streamId);
  output.at = writeUint32(output.bytes, body, increment);
}

/** @param opaque bytes whose first eight, from `from` on, the other side repeats */
export function writePing(output: Output, flags: number, opaque: Uint8Array, from: number): void {
  const at = output.reserve(FRAME_HEADER_BYTES + 8);
  const body = writeFrameHeader(output.bytes, at, 8, FrameType.PING, flags, 0);
  for (let i = 0; i < 8; i++) output.bytes[body + i] = opaque[from + i]!;
  output.at = body + 8;
}

export function writeSettingsAck(output: Output): void {
  const at = output.reserve(FRAME_HEADER_BYTES);
  output.at = writeFrameHeader(output.bytes, at, 0, FrameType.SETTINGS, 1, 0);
}

/** @param debug for whoever reads the client's log; ASCII */
export function writeGoaway(
  output: Output,
  lastStreamId: number,
  code: ErrorCode,
  debug: string,
): void {
  const at = output.reserve(FRAME_HEADER_BYTES + 8 + debug.length);
  const length = 8 + debug.length;
  let next = writeFrameHeader(output.bytes, at, length, FrameType.GOAWAY, 0, 0);
  next = writeUint32(output.bytes, next, lastStreamId);
  next = writeUint32(output.bytes, next, code);
  output.at = next + output.bytes.write(debug, next, 'latin1');
}

/** What every connection of an engine sends first: its settings, and a window for the connection as a whole. */
export function encodeServerPreface(limits: EngineLimits, defaultWindowBytes: number): Uint8Array {
  const settings: readonly (readonly [id: number, value: number])[] = [
    [SettingId.MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams],
    [SettingId.INITIAL_WINDOW_SIZE, limits.windowBytes],
    [SettingId.MAX_HEADER_LIST_SIZE, limits.maxHeaderListBytes],
  ];
  const bytes = new Uint8Array(2 * FRAME_HEADER_BYTES + 6 * settings.length + 4);
  let at = writeFrameHeader(bytes, 0, 6 * settings.length, FrameType.SETTINGS, 0, 0);
  for (const [id, value] of settings) {
    bytes[at + 1] = id;
    at = writeUint32(bytes, at + 2, value);
  }
  if (limits.windowBytes <= defaultWindowBytes) return bytes.subarray(0, at);
  at = writeFrameHeader(bytes, at, 4, FrameType.WINDOW_UPDATE, 0, 0);
  writeUint32(bytes, at, limits.windowBytes - defaultWindowBytes);
  return bytes;
}
