import type { Connection } from './connection.ts';
import { Cost, spendCredit } from './flood-guard.ts';
import {
  ConnectionError,
  ErrorCode,
  Flag,
  MAX_MAX_FRAME_BYTES,
  DEFAULT_MAX_FRAME_BYTES,
  MAX_WINDOW_BYTES,
  protocolError,
  readUint31,
  readUint32,
  SettingId,
} from './frame.ts';
import { writePing, writeSettingsAck } from './frame-writer.ts';
import { receiveContinuation, receiveHeaders } from './receive-headers.ts';
import { receiveData } from './receive-data.ts';
import { standInLine } from './send-queue.ts';

/**
 * Handles a frame of one type; its payload is `bytes[start, end)`.
 *
 * @throws ConnectionError
 */
export type FrameHandler = (
  connection: Connection,
  flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
) => void;

/** By the number of the type. */
export const FRAME_HANDLERS: readonly FrameHandler[] = [
  receiveData,
  receiveHeaders,
  receivePriority,
  receiveResetStream,
  receiveSettings,
  receivePushPromise,
  receivePing,
  receiveGoaway,
  receiveWindowUpdate,
  receiveContinuation,
];

/** Types that nobody knows are let pass (RFC 9113 section 5.5). */
export function receiveUnknown(connection: Connection): void {
  spendCredit(connection.guard, Cost.FRAME);
}

/** Priorities are not used (RFC 9113 section 5.3.2); their frames are checked as far as they can be wrong. */
function receivePriority(
  connection: Connection,
  _flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  if (streamId === 0) throw protocolError('PRIORITY without a stream');
  spendCredit(connection.guard, Cost.FRAME);
  if (end - start !== 5) connection.failStream(streamId, ErrorCode.FRAME_SIZE_ERROR);
  else if (readUint31(bytes, start) === streamId) {
    connection.failStream(streamId, ErrorCode.PROTOCOL_ERROR);
  }
}

function receiveResetStream(
  connection: Connection,
  _flags: number,
  streamId: number,
  _bytes: Buffer,
  start: number,
  end: number,
): void {
  if (streamId === 0) throw protocolError('RST_STREAM without a stream');
  expectSize('RST_STREAM', end - start, 4);
  const stream = connection.streams.get(streamId);
  if (stream === undefined) {
    expectOpened(connection, streamId);
    spendCredit(connection.guard, Cost.FRAME);
    return;
  }
  connection.core.counters.streamsReset += 1;
  connection.closeStream(stream);
  spendCredit(connection.guard, Cost.RESET);
}

function receiveSettings(
  connection: Connection,
  flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  if (streamId !== 0) throw protocolError('SETTINGS for a stream');
  if ((flags & Flag.ACK) !== 0) {
    expectSize('the acknowledgement of SETTINGS', end - start, 0);
    if (!connection.hasSettings) throw protocolError('the first frame is an acknowledgement');
    spendCredit(connection.guard, Cost.FRAME);
    return;
  }
  if ((end - start) % 6 !== 0) {
    throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'SETTINGS of a wrong size');
  }
  // The first ones are free.
  if (connection.hasSettings) spendCredit(connection.guard, Cost.SETTINGS);
  connection.hasSettings = true;
  let windowBytes = connection.initialSendWindow;
  for (let at = start; at < end; at += 6) {
    const value = readUint32(bytes, at + 2);
    const id = (bytes[at]! << 8) | bytes[at + 1]!;
    checkSetting(id, value);
    if (id === SettingId.INITIAL_WINDOW_SIZE) windowBytes = value;
    else if (id === SettingId.HEADER_TABLE_SIZE) limitTable(connection, value);
  }
  changeInitialWindow(connection, windowBytes);
  writeSettingsAck(connection.output);
  connection.markDirty();
}

/** We send no field that the client's table would remember, so the smallest table will do, and there is none below it. */
function limitTable(connection: Connection, bytes: number): void {
  if (bytes >= connection.encoderTableBytes) return;
  connection.encoderTableBytes = 0;
  connection.hasTableToEmpty = true;
}

/** Of a client's settings only window and table matter: ours are small frames and no pushes. */
function checkSetting(id: number, value: number): void {
  if (id === SettingId.ENABLE_PUSH && value > 1) {
    throw protocolError('ENABLE_PUSH is neither 0 nor 1');
  }
  if (id === SettingId.INITIAL_WINDOW_SIZE && value > MAX_WINDOW_BYTES) {
    throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'INITIAL_WINDOW_SIZE is too large');
  }
  if (id === SettingId.MAX_FRAME_SIZE) {
    if (value < DEFAULT_MAX_FRAME_BYTES || value > MAX_MAX_FRAME_BYTES) {
      throw protocolError('MAX_FRAME_SIZE is out of range');
    }
  }
}

/** Moves the windows of all open streams by the difference (RFC 9113 section 6.9.2), once per frame. */
function changeInitialWindow(connection: Connection, bytes: number): void {
  const difference = bytes - connection.initialSendWindow;
  if (difference === 0) return;
  connection.initialSendWindow = bytes;
  for (const stream of connection.streams.values()) {
    stream.sendWindow += difference;
    if (stream.sendWindow > MAX_WINDOW_BYTES) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window grew too large');
    }
    standInLine(stream);
  }
}

function receivePushPromise(): void {
  throw protocolError('PUSH_PROMISE from a client');
}

function receivePing(
  connection: Connection,
  flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  if (streamId !== 0) throw protocolError('PING for a stream');
  expectSize('PING', end - start, 8);
  connection.core.counters.pings += 1;
  if ((flags & Flag.ACK) !== 0) {
    spendCredit(connection.guard, Cost.FRAME);
    connection.onPingAck(bytes, start);
    return;
  }
  spendCredit(connection.guard, Cost.PING);
  countPing(connection);
  writePing(connection.output, Flag.ACK, bytes, start);
  connection.markDirty();
}

/** Pings that come too often, and not because something was answered, are those of a client that is set up wrongly (A8). */
const MAX_PING_STRIKES = 2;

function countPing(connection: Connection): void {
  const { times, core } = connection;
  const nowMs = performance.now();
  const isEarly = nowMs - times.lastPingAtMs < core.limits.minPingIntervalMs;
  times.lastPingAtMs = nowMs;
  if (connection.hasAnswered) {
    connection.hasAnswered = false;
    times.pingStrikes = 0;
  } else if (isEarly && ++times.pingStrikes > MAX_PING_STRIKES) {
    throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings');
  }
}

/** The client opens no more streams; those it has are answered. */
function receiveGoaway(
  connection: Connection,
  _flags: number,
  streamId: number,
  _bytes: Buffer,
  start: number,
  end: number,
): void {
  if (streamId !== 0) throw protocolError('GOAWAY for a stream');
  if (end - start < 8) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'GOAWAY is cut off');
  spendCredit(connection.guard, Cost.SETTINGS);
  connection.startDrain('the client goes away');
  connection.finishDrain();
}

function receiveWindowUpdate(
  connection: Connection,
  _flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  expectSize('WINDOW_UPDATE', end - start, 4);
  spendCredit(connection.guard, Cost.FRAME);
  const increment = readUint31(bytes, start);
  if (streamId === 0) {
    if (increment === 0) throw protocolError('WINDOW_UPDATE by nothing');
    connection.sendWindow += increment;
    if (connection.sendWindow > MAX_WINDOW_BYTES) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'the window grew too large');
    }
    if (connection.line.first !== undefined) connection.markDirty();
    return;
  }
  const stream = connection.streams.get(streamId);
  if (stream === undefined) {
    expectOpened(connection, streamId);
  } else if (increment === 0) {
    connection.failStream(streamId, ErrorCode.PROTOCOL_ERROR);
  } else if (stream.sendWindow + increment > MAX_WINDOW_BYTES) {
    connection.failStream(streamId, ErrorCode.FLOW_CONTROL_ERROR);
  } else {
    stream.sendWindow += increment;
    standInLine(stream);
    if (stream.isInLine) connection.markDirty();
  }
}

function expectSize(what: string, size: number, expected: number): void {
  if (size === expected) return;
  throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `${what} of ${size} bytes`);
}

/** A stream that the client never opened is idle: hardly any frame may name it (RFC 9113 section 5.1). */
function expectOpened(connection: Connection, streamId: number): void {
  if (connection.isIdle(streamId)) throw protocolError('a frame for a stream that is idle');
}
