import type { Connection } from './connection.ts';
import { earnByAnswer, earnByContent } from './flood-guard.ts';
import {
  DEFAULT_MAX_FRAME_BYTES,
  ErrorCode,
  Flag,
  FRAME_HEADER_BYTES,
  FrameType,
} from './frame.ts';
import { writeFrameHeader } from './frame-writer.ts';
import type { HeaderBlock } from './header-block.ts';
import type { Stream } from './stream.ts';

/** Clients may allow larger frames; small ones let responses take turns. */
const MAX_DATA_BYTES = DEFAULT_MAX_FRAME_BYTES;
/** Smaller pieces are copied into the output: a slice of its own costs more than the copy. */
const MIN_SLICE_BYTES = 4096;
/** A change of HPACK's table to 0 bytes (RFC 7541 section 6.3). */
const EMPTY_TABLE = Uint8Array.of(0x20);
/** A connection sends so much, then the others have their turn. */
const FLUSH_BYTES = 256 * 1024;
/** An application that may wait should, once so much of a stream is queued. */
const HIGH_WATER_BYTES = 64 * 1024;

export function sendHeaders(stream: Stream, headers: HeaderBlock, end: boolean): void {
  stream.hasHeaders = true;
  writeHeaders(stream.connection, stream.id, headers.bytes, end);
  if (end) endResponse(stream);
  stream.connection.markDirty();
}

/** A response without a stream, to a request of which only the head is here unless `isRequestEnded`. */
export function turnAway(
  connection: Connection,
  streamId: number,
  headers: HeaderBlock,
  isRequestEnded: boolean,
): void {
  const { counters } = connection.core;
  counters.streams += 1;
  counters.streamsClosed += 1;
  counters.streamsSucceeded += 1;
  writeHeaders(connection, streamId, headers.bytes, true);
  if (!isRequestEnded) connection.sendReset(streamId, ErrorCode.NO_ERROR);
  connection.markDirty();
  if (connection.streams.size === 0) connection.times.idleSinceMs = connection.core.nowMs;
  // It has its answer, and what it sends before it knows costs credit.
  earnByAnswer(connection.guard);
}

/** The whole response at once. What fits into one frame and the client's windows is written without a detour. */
export function sendReply(
  stream: Stream,
  headers: HeaderBlock,
  body: Uint8Array,
  trailers: HeaderBlock | undefined,
): void {
  stream.hasHeaders = true;
  writeHeaders(stream.connection, stream.id, headers.bytes, false);
  endBody(stream, body, trailers);
  stream.connection.markDirty();
}

/** Sends or queues a part of the body. False: enough is queued. */
export function queueBody(stream: Stream, bytes: Uint8Array): boolean {
  if (bytes.length > 0) {
    if (maySendNow(stream, bytes.length)) writeData(stream, bytes, 0);
    else enqueue(stream, bytes);
    stream.connection.markDirty();
  }
  return stream.queuedBytes < HIGH_WATER_BYTES;
}

export function endBody(
  stream: Stream,
  bytes: Uint8Array | undefined,
  trailers: HeaderBlock | undefined,
): void {
  stream.isEnding = true;
  stream.trailers = trailers;
  const isEmpty = bytes === undefined || bytes.length === 0;
  if (!isEmpty && !maySendNow(stream, bytes.length)) {
    enqueue(stream, bytes);
  } else if (!isEmpty) {
    writeData(stream, bytes, trailers === undefined ? Flag.END_STREAM : 0);
    if (trailers !== undefined) writeHeaders(stream.connection, stream.id, trailers.bytes, true);
    endResponse(stream);
  } else if (stream.queuedBytes === 0) {
    if (trailers !== undefined) writeHeaders(stream.connection, stream.id, trailers.bytes, true);
    else writeDataHeader(stream, 0, Flag.END_STREAM);
    endResponse(stream);
  }
  stream.connection.markDirty();
}

/** Sends of what is queued as much as the windows and the turn of this connection allow, stream after stream. */
export function sendQueued(connection: Connection): void {
  const { output, line } = connection;
  while (connection.sendWindow > 0 && output.pendingBytes < FLUSH_BYTES) {
    const stream = line.first;
    if (stream === undefined) return;
    line.leave(stream);
    // Its window may have shrunk since it joined.
    if (stream.sendWindow <= 0) continue;
    sendFrame(stream);
    standInLine(stream);
  }
}

/** Puts a stream at the end of the line if it has something to send and may. */
export function standInLine(stream: Stream): void {
  if (stream.queuedBytes > 0 && stream.sendWindow > 0) stream.connection.line.join(stream);
}

function maySendNow(stream: Stream, length: number): boolean {
  const { connection } = stream;
  return (
    stream.queuedBytes === 0 &&
    length <= MAX_DATA_BYTES &&
    length <= stream.sendWindow &&
    length <= connection.sendWindow &&
    !connection.isCongested &&
    connection.output.pendingBytes < FLUSH_BYTES
  );
}

function enqueue(stream: Stream, bytes: Uint8Array): void {
  const { connection } = stream;
  const { core } = connection;
  const queuedBytes = connection.queuedBytes + bytes.length;
  if (queuedBytes > bytes.length && queuedBytes > core.limits.maxQueuedBytes) {
    core.counters.streamErrors += 1;
    stream.reset(ErrorCode.ENHANCE_YOUR_CALM);
    return;
  }
  const isFirst = stream.queuedBytes === 0;
  if (isFirst) {
    stream.stalledSinceMs = core.nowMs;
    stream.progressBytes = 0;
  }
  (stream.queue ??= []).push(bytes);
  stream.queuedBytes += bytes.length;
  connection.queuedBytes += bytes.length;
  core.queuedBytes += bytes.length;
  if (isFirst) countStall(stream);
  standInLine(stream);
  core.relieve();
}

/** Called when a stream begins to wait and whenever it has sent something: what is left waits for the client if one of its windows is shut. */
function countStall({ queuedBytes, sendWindow, connection }: Stream): void {
  if (queuedBytes > 0 && (sendWindow <= 0 || connection.sendWindow <= 0)) {
    connection.core.counters.flowControlStalls += 1;
  }
}

/** Sends one DATA frame of what is queued, and what ends the response if that was the last. */
function sendFrame(stream: Stream): void {
  const { connection } = stream;
  const size = Math.min(
    stream.queuedBytes,
    stream.sendWindow,
    connection.sendWindow,
    MAX_DATA_BYTES,
  );
  const ends = stream.isEnding && size === stream.queuedBytes;
  writeDataHeader(stream, size, ends && stream.trailers === undefined ? Flag.END_STREAM : 0);
  takeQueued(stream, size);
  if (ends) {
    if (stream.trailers !== undefined)
      writeHeaders(connection, stream.id, stream.trailers.bytes, true);
    endResponse(stream);
  } else if (stream.queuedBytes === 0) {
    connection.core.drainedLater(stream);
  } else {
    countStall(stream);
  }
}

/** Moves `size` bytes from the queue to the output. */
function takeQueued(stream: Stream, size: number): void {
  const { connection } = stream;
  const queue = stream.queue!;
  let rest = size;
  let done = 0;
  while (rest > 0) {
    const part = queue[done]!;
    const end = Math.min(part.length, stream.queueAt + rest);
    writeBytes(connection, part.subarray(stream.queueAt, end));
    rest -= end - stream.queueAt;
    stream.queueAt = end === part.length ? 0 : end;
    if (end === part.length) done += 1;
  }
  if (done > 0) queue.splice(0, done);
  stream.queuedBytes -= size;
  stream.progressBytes += size;
  connection.queuedBytes -= size;
  connection.core.queuedBytes -= size;
}

/** The response has been sent to its end. A client that is not done with its request is told to stop. */
function endResponse(stream: Stream): void {
  const { connection } = stream;
  connection.core.counters.streamsSucceeded += 1;
  if (stream.isRequestEnded) {
    earnByAnswer(connection.guard);
  } else {
    connection.sendReset(stream.id, ErrorCode.NO_ERROR);
  }
  connection.closeStream(stream);
}

function writeData(stream: Stream, bytes: Uint8Array, flags: number): void {
  writeDataHeader(stream, bytes.length, flags);
  writeBytes(stream.connection, bytes);
}

function writeDataHeader(stream: Stream, length: number, flags: number): void {
  const { connection } = stream;
  const { output } = connection;
  stream.sendWindow -= length;
  connection.sendWindow -= length;
  connection.hasAnswered = true;
  earnByContent(connection.guard, length);
  const at = output.reserve(FRAME_HEADER_BYTES);
  output.at = writeFrameHeader(output.bytes, at, length, FrameType.DATA, flags, stream.id);
}

function writeBytes({ output }: Connection, bytes: Uint8Array): void {
  if (bytes.length < MIN_SLICE_BYTES) output.append(bytes);
  else output.appendSlice(bytes);
}

/** HEADERS, and CONTINUATION for what does not fit into a frame. */
function writeHeaders(
  connection: Connection,
  streamId: number,
  fields: Uint8Array,
  endStream: boolean,
): void {
  const { output } = connection;
  const block = connection.hasTableToEmpty ? Buffer.concat([EMPTY_TABLE, fields]) : fields;
  connection.hasTableToEmpty = false;
  connection.hasAnswered = true;
  let type: number = FrameType.HEADERS;
  let flags: number = endStream ? Flag.END_STREAM : 0;
  let from = 0;
  do {
    const end = Math.min(block.length, from + DEFAULT_MAX_FRAME_BYTES);
    if (end === block.length) flags |= Flag.END_HEADERS;
    const at = output.reserve(FRAME_HEADER_BYTES + end - from);
    output.at = writeFrameHeader(output.bytes, at, end - from, type, flags, streamId);
    output.append(end - from === block.length ? block : block.subarray(from, end));
    type = FrameType.CONTINUATION;
    flags = 0;
    from = end;
  } while (from < block.length);
}
