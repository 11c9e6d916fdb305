import type { Connection } from './connection.ts';
import { Cost, earnByContent, spendCredit } from './flood-guard.ts';
import { DEFAULT_WINDOW_BYTES, ErrorCode, Flag, protocolError } from './frame.ts';
import { writeWindowUpdate } from './frame-writer.ts';
import type { Stream } from './stream.ts';
import { withoutRest } from './without-rest.ts';

/** What a piece of a request costs beside its content: many small ones are not less than few large ones. */
const PIECE_BYTES = 200;

export function receiveData(
  connection: Connection,
  flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  if (streamId === 0) throw protocolError('DATA without a stream');
  let from = start;
  let to = end;
  if ((flags & Flag.PADDED) !== 0) {
    to -= from < end ? bytes[from]! : 1;
    from += 1;
    if (from > to) throw protocolError('DATA is shorter than its padding');
  }
  const isEnd = (flags & Flag.END_STREAM) !== 0;
  // Padding and frames for streams that are gone count too (RFC 9113 section 6.9.1).
  creditConnection(connection, end - start);
  if (from === to && !isEnd) spendCredit(connection.guard, Cost.FRAME);
  const stream = connection.streams.get(streamId);
  if (stream === undefined) {
    refuseData(connection, streamId, to - from);
  } else if (stream.isRequestEnded) {
    connection.failStream(streamId, ErrorCode.STREAM_CLOSED);
  } else if (stream.isHeld && stream.uncreditedBytes + end - start > windowOf(connection)) {
    connection.failStream(streamId, ErrorCode.FLOW_CONTROL_ERROR);
  } else if (!countContent(stream, to - from, isEnd)) {
    connection.failStream(streamId, ErrorCode.PROTOCOL_ERROR);
  } else {
    stream.isRequestEnded = isEnd;
    if (isEnd) stream.release();
    else if (!keep(stream, to - from)) return;
    else takeData(stream, end - start);
    if (to > from) {
      const content = bytes.subarray(from, to);
      stream.body.onData(isEnd ? content : withoutRest(content));
    }
    if (isEnd && !stream.isClosed) stream.body.onEnd();
  }
}

/**
 * What has come is the application's at once, and given back as window in pieces of half of it, so that a fast client never
 * has to wait. No client can therefore go beyond its window; how much of a request may pile up is the application's limit.
 */
function creditConnection(connection: Connection, length: number): void {
  connection.uncreditedBytes += length;
  if (2 * connection.uncreditedBytes < connection.core.limits.windowBytes) return;
  writeWindowUpdate(connection.output, 0, connection.uncreditedBytes);
  connection.uncreditedBytes = 0;
  connection.markDirty();
}

/** A client that is held back has so much and no more; one that has not read our settings yet, what is usual. */
function windowOf({ core }: Connection): number {
  return Math.max(core.limits.windowBytes, DEFAULT_WINDOW_BYTES);
}

function takeData(stream: Stream, length: number): void {
  stream.uncreditedBytes += length;
  creditStream(stream);
}

/** Gives back what has come as window, unless that is little or the application holds the client back. */
export function creditStream(stream: Stream): void {
  const { connection } = stream;
  if (stream.isHeld || 2 * stream.uncreditedBytes < connection.core.limits.windowBytes) return;
  writeWindowUpdate(connection.output, stream.id, stream.uncreditedBytes);
  stream.uncreditedBytes = 0;
  connection.markDirty();
}

/**
 * Counts what an application has to keep because its request has not come to its end. A thousand of them, each just below
 * what one may have, would be too much. False: it was, and the stream is gone.
 */
function keep(stream: Stream, length: number): boolean {
  if (length > 0) addKept(stream, length + PIECE_BYTES);
  return !stream.isClosed;
}

/** Counts what is still kept, and no more. */
export function countKept(stream: Stream, bytes: number, pieceCount: number): void {
  addKept(stream, bytes + PIECE_BYTES * pieceCount - stream.keptBytes);
}

function addKept(stream: Stream, bytes: number): void {
  const { connection } = stream;
  const { core } = connection;
  stream.keptBytes += bytes;
  connection.queuedBytes += bytes;
  core.queuedBytes += bytes;
  if (bytes <= 0) return;
  if (connection.queuedBytes > core.limits.maxQueuedBytes) {
    connection.failStream(stream.id, ErrorCode.ENHANCE_YOUR_CALM);
  } else {
    core.relieve();
  }
}

/** Compares with the announced content length (RFC 9113 section 8.1.1). False: it does not fit. */
function countContent(stream: Stream, length: number, isEnd: boolean): boolean {
  if (stream.missingBytes < 0) return true;
  if (length > stream.missingBytes) return false;
  stream.missingBytes -= length;
  return !isEnd || stream.missingBytes === 0;
}

/** DATA may cross a reset of ours on the way; as much content as a frame may have is no less welcome than elsewhere. */
function refuseData(connection: Connection, streamId: number, length: number): void {
  if (connection.drainStage === 2 && streamId > connection.lastStreamId) return;
  if (connection.isIdle(streamId)) throw protocolError('DATA for a stream that is idle');
  if (!connection.wasReset(streamId)) {
    connection.failStream(streamId, ErrorCode.STREAM_CLOSED);
    return;
  }
  spendCredit(connection.guard, Cost.FRAME);
  earnByContent(connection.guard, length);
}
