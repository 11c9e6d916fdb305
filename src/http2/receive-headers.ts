import type { Connection } from './connection.ts';
import { Cost, spendCredit } from './flood-guard.ts';
import { ConnectionError, ErrorCode, Flag, protocolError, readUint31 } from './frame.ts';
import { areTrailers, createRequestHead, type DecodedHead } from './request-head.ts';
import { turnAway } from './send-queue.ts';
import { Stream } from './stream.ts';

/** A header block that is spread over HEADERS and CONTINUATION. */
export interface HeaderAssembly {
  readonly streamId: number;
  readonly flags: number;
  bytes: Buffer;
  length: number;
}

/** Header blocks may have so many times the bytes of the header list that is allowed, before they end the connection. */
const MAX_BLOCK_FACTOR = 2;

export function receiveHeaders(
  connection: Connection,
  flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  if ((streamId & 1) === 0) throw protocolError('HEADERS for a stream that no client opens');
  let from = start;
  let to = end;
  if ((flags & Flag.PADDED) !== 0) {
    to -= from < end ? bytes[from]! : 1;
    from += 1;
  }
  const hasPriority = (flags & Flag.PRIORITY) !== 0;
  if (hasPriority) from += 5;
  if (from > to) throw protocolError('HEADERS is shorter than its padding');
  if (hasPriority && readUint31(bytes, from - 5) === streamId) flags |= SELF_DEPENDENT;
  if ((flags & Flag.END_HEADERS) !== 0) {
    receiveBlock(connection, flags, streamId, bytes, from, to);
    return;
  }
  connection.assembly = { streamId, flags, bytes: Buffer.allocUnsafeSlow(4096), length: 0 };
  addFragment(connection, connection.assembly, bytes.subarray(from, to));
}

/** A bit that no flag has: the stream depends on itself (RFC 7540 section 5.3.1). */
const SELF_DEPENDENT = 0x100;

export function receiveContinuation(
  connection: Connection,
  flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  const { assembly } = connection;
  if (assembly === undefined || assembly.streamId !== streamId) {
    throw protocolError('CONTINUATION of nothing');
  }
  spendCredit(connection.guard, Cost.FRAME);
  addFragment(connection, assembly, bytes.subarray(start, end));
  if ((flags & Flag.END_HEADERS) === 0) return;
  connection.assembly = undefined;
  receiveBlock(connection, assembly.flags, streamId, assembly.bytes, 0, assembly.length);
}

function addFragment(connection: Connection, assembly: HeaderAssembly, fragment: Uint8Array): void {
  const length = assembly.length + fragment.length;
  if (length > MAX_BLOCK_FACTOR * connection.core.limits.maxHeaderListBytes) {
    throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'a header block without end');
  }
  if (length > assembly.bytes.length) {
    const grown = Buffer.allocUnsafeSlow(2 * length);
    assembly.bytes.copy(grown, 0, 0, assembly.length);
    assembly.bytes = grown;
  }
  assembly.bytes.set(fragment, assembly.length);
  assembly.length = length;
}

/** A whole header block: it opens a stream, or ends one as trailers. It is decoded in any case, for the table's sake. */
function receiveBlock(
  connection: Connection,
  flags: number,
  streamId: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  const isEnd = (flags & Flag.END_STREAM) !== 0;
  const open = connection.streams.get(streamId);
  if (open !== undefined || streamId <= connection.lastStreamId) {
    decode(connection, bytes, start, end);
    if (open !== undefined) receiveTrailers(connection, open, isEnd);
    else refuseClosed(connection, streamId);
    return;
  }
  const head = decodeHead(connection, bytes, start, end);
  // After the last GOAWAY new streams are not ours; the client sends them elsewhere.
  if (connection.drainStage === 2) {
    spendCredit(connection.guard, Cost.FRAME);
    return;
  }
  connection.lastStreamId = streamId;
  const refusal = (flags & SELF_DEPENDENT) !== 0 ? ErrorCode.PROTOCOL_ERROR : refuse(connection);
  if (typeof head === 'number') connection.failStream(streamId, head);
  else if (refusal !== undefined) connection.failStream(streamId, refusal);
  else openStream(connection, streamId, head, isEnd);
}

function openStream(
  connection: Connection,
  streamId: number,
  head: DecodedHead,
  isEnd: boolean,
): void {
  if (isEnd && head.contentLength > 0) {
    connection.failStream(streamId, ErrorCode.PROTOCOL_ERROR);
    return;
  }
  const { listener } = connection.core;
  const refusal = listener.turnAway?.(head);
  if (refusal !== undefined) {
    turnAway(connection, streamId, refusal, isEnd);
    return;
  }
  const stream = new Stream(streamId, connection);
  stream.missingBytes = head.contentLength;
  stream.isRequestEnded = isEnd;
  connection.streams.add(stream);
  connection.core.counters.streams += 1;
  stream.body = listener(head, stream);
  if (isEnd && !stream.isClosed) stream.body.onEnd();
}

function decode(connection: Connection, bytes: Buffer, start: number, end: number): void {
  connection.decoder.decode(bytes, start, end, connection.core.limits.maxHeaderListBytes);
}

/** The head of a request, or the error code to refuse it with. */
function decodeHead(
  connection: Connection,
  bytes: Buffer,
  start: number,
  end: number,
): DecodedHead | ErrorCode {
  const { decoder, heads } = connection;
  const { version } = decoder.table;
  const known = heads.find(bytes, start, end, version);
  if (known !== undefined) return known;
  decode(connection, bytes, start, end);
  if (decoder.isOverLimit) return ErrorCode.ENHANCE_YOUR_CALM;
  const head = createRequestHead(decoder.fields);
  if (head === undefined) return ErrorCode.PROTOCOL_ERROR;
  if (decoder.table.version === version) heads.keep(bytes, start, end, version, head);
  return head;
}

/** Why no more streams are taken; `undefined` = they are. */
function refuse({ streams, queuedBytes, core }: Connection): ErrorCode | undefined {
  return streams.size >= core.limits.maxConcurrentStreams ||
    queuedBytes >= core.limits.maxQueuedBytes
    ? ErrorCode.REFUSED_STREAM
    : undefined;
}

function receiveTrailers(connection: Connection, stream: Stream, isEnd: boolean): void {
  const { decoder } = connection;
  if (stream.isRequestEnded) {
    connection.failStream(stream.id, ErrorCode.STREAM_CLOSED);
  } else if (decoder.isOverLimit) {
    connection.failStream(stream.id, ErrorCode.ENHANCE_YOUR_CALM);
  } else if (!isEnd || stream.missingBytes > 0 || !areTrailers(decoder.fields)) {
    connection.failStream(stream.id, ErrorCode.PROTOCOL_ERROR);
  } else {
    stream.isRequestEnded = true;
    stream.release();
    stream.body.onEnd();
  }
}

/** Trailers may cross a reset of ours on the way; anything else is an error (RFC 9113 section 5.1). */
function refuseClosed(connection: Connection, streamId: number): void {
  spendCredit(connection.guard, Cost.FRAME);
  if (!connection.wasReset(streamId)) {
    throw new ConnectionError(ErrorCode.STREAM_CLOSED, 'HEADERS for a stream that is closed');
  }
}
