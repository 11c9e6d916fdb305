import { connect, type Socket } from 'node:net';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import { GrpcCallError } from './grpc-client.ts';
import { OutgoingBytes } from './outgoing-bytes.ts';

/** Told how a call ended. */
export type CallEnd = (error?: Error) => void;

/**
 * One connection that makes load: as little of HTTP/2 as a client needs, so that it costs less than what it measures (a
 * tenth of `node:http2`). It reads the status of each call and nothing of its message. It leaves little to collect: what a
 * client's collector stops for is in every latency.
 */
export interface GrpcConnection {
  /** Sends one message with gRPC's prefix; at the end of a turn all of them go out in one write. */
  call(framed: Buffer, done: CallEnd): void;
  close(): void;
}

const FrameType = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
} as const;
const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;
const PADDED = 8;
const PRIORITY = 32;
const HEAD_BYTES = 9;
/** Of a frame's head: where its stream is. */
const STREAM_AT = 5;
const DEFAULT_WINDOW = 65_535;
const LARGEST_WINDOW = 2 ** 31 - 1;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** No dynamic table, no push, streams that never wait for us. */
const SETTINGS = [
  [1, 0],
  [2, 0],
  [4, LARGEST_WINDOW],
] as const;
const MAX_CONCURRENT_STREAMS = 3;
/** Grants of the connection's window are given back in portions of this. */
const WINDOW_PORTION = 2 ** 29;
const MAX_LIST_BYTES = 65_536;
/** Where bytes arrive, of whatever connection: they are looked at before the next ones come. */
const arrived = Buffer.allocUnsafeSlow(256 * 1024);
const NO_BYTES = Buffer.alloc(0);
const MOST_OTHER_ENDS = 256;
/** Calls of one connection from the oldest that is not answered to the newest, at most. */
const MOST_UNDER_WAY = 2 ** 16;

/**
 * Connects to loopback and resolves once the server's settings have come.
 *
 * @param hasTrailers false = replies of a server of files: they have a status of HTTP and end with their data.
 */
export async function openGrpcConnection(
  port: number,
  path: string,
  hasTrailers = true,
): Promise<GrpcConnection> {
  const ready = Promise.withResolvers<void>();
  const head = requestHead(`127.0.0.1:${port}`, path);
  const connection = new Connection(port, head, hasTrailers, ready);
  await ready.promise;
  return connection;
}

class Connection implements GrpcConnection {
  private readonly socket: Socket;
  /** Frames that a call begins with: HEADERS, and the head of DATA; the stream and the length are filled in. */
  private readonly opening: Buffer;
  private readonly hasTrailers: boolean;
  private readonly onSettings: () => void;
  private readonly decoder = new HpackDecoder();
  /** The last trailers that said OK: without a dynamic table equal bytes say so again. */
  private okTrailers: Buffer = NO_BYTES;
  /** The same of those that did not, by their bytes: a server that refuses a hundred thousand a second uses few words. */
  private readonly otherEnds = new Map<string, GrpcCallError>();
  /** By stream, in a ring: what goes into and out of a `Map` is collected late (docs/adr/0007-small-young-generation.md). */
  private readonly running: (CallEnd | undefined)[] = [];
  private runningCount = 0;
  private readonly waiting: { readonly framed: Buffer; readonly done: CallEnd }[] = [];
  private unread: Buffer = NO_BYTES;
  private nextStream = 1;
  private sendWindow = DEFAULT_WINDOW;
  private maxStreams = 100;
  private received = 0;
  /** What goes out at the end of this turn, in a buffer that is used again when the socket took all of it. */
  private readonly outgoing: OutgoingBytes;
  private failure: Error | undefined;

  constructor(
    port: number,
    head: Buffer,
    hasTrailers: boolean,
    ready: { resolve(): void; reject(error: Error): void },
  ) {
    this.opening = Buffer.concat([
      frame(FrameType.HEADERS, END_HEADERS, 0, head),
      frame(FrameType.DATA, END_STREAM, 0, NO_BYTES),
    ]);
    this.hasTrailers = hasTrailers;
    this.onSettings = ready.resolve;
    const onread = {
      buffer: arrived,
      callback: (byteCount: number): boolean => {
        this.receive(arrived.subarray(0, byteCount));
        return true;
      },
    };
    const socket = connect({ host: '127.0.0.1', port, noDelay: true, onread });
    this.socket = socket;
    this.outgoing = new OutgoingBytes(socket);
    socket.write(
      Buffer.concat([PREFACE, settingsFrame(), windowUpdate(LARGEST_WINDOW - DEFAULT_WINDOW)]),
    );
    socket.once('error', ready.reject);
    socket.on('error', (error) => this.failAll(error));
    socket.on('close', () => this.failAll(new Error('the server closed the connection')));
  }

  call(framed: Buffer, done: CallEnd): void {
    const { failure } = this;
    if (failure !== undefined) {
      setImmediate(() => done(failure));
      return;
    }
    if (this.waiting.length === 0 && this.isRoomFor(framed)) {
      this.open(framed, done);
      return;
    }
    this.waiting.push({ framed, done });
    this.sendWaiting();
  }

  close(): void {
    this.socket.destroy();
  }

  /** As many as the server lets us have under way. */
  private sendWaiting(): void {
    for (let next = this.waiting[0]; next !== undefined; next = this.waiting[0]) {
      if (!this.isRoomFor(next.framed)) return;
      this.waiting.shift();
      this.open(next.framed, next.done);
    }
  }

  private isRoomFor(framed: Buffer): boolean {
    return (
      this.runningCount < this.maxStreams &&
      framed.length <= this.sendWindow &&
      this.running[slotOf(this.nextStream)] === undefined
    );
  }

  private open(framed: Buffer, done: CallEnd): void {
    const stream = this.nextStream;
    this.nextStream += 2;
    this.running[slotOf(stream)] = done;
    this.runningCount += 1;
    this.sendWindow -= framed.length;
    const { opening, outgoing } = this;
    const at = outgoing.reserve(opening.length + framed.length);
    const { bytes } = outgoing;
    opening.copy(bytes, at);
    bytes.writeUInt32BE(stream, at + STREAM_AT);
    const dataAt = at + opening.length - HEAD_BYTES;
    bytes.writeUIntBE(framed.length, dataAt, 3);
    bytes.writeUInt32BE(stream, dataAt + STREAM_AT);
    framed.copy(bytes, at + opening.length);
  }

  private write(frame: Buffer): void {
    const at = this.outgoing.reserve(frame.length);
    frame.copy(this.outgoing.bytes, at);
  }

  private receive(chunk: Buffer): void {
    const bytes = this.unread.length === 0 ? chunk : Buffer.concat([this.unread, chunk]);
    let at = 0;
    while (bytes.length - at >= HEAD_BYTES) {
      const start = at + HEAD_BYTES;
      const end = start + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.take(bytes, at, start, end);
      at = end;
    }
    this.unread = at === bytes.length ? NO_BYTES : Buffer.from(bytes.subarray(at));
    this.sendWaiting();
  }

  /** One frame: its head is at `at`, its payload from `start` to `end`. */
  private take(bytes: Buffer, at: number, start: number, end: number): void {
    const flags = bytes[at + 4]!;
    const stream = bytes.readUInt32BE(at + STREAM_AT) & LARGEST_WINDOW;
    switch (bytes[at + 3]) {
      case FrameType.DATA:
        this.received += end - start;
        if (this.received >= WINDOW_PORTION) {
          this.write(windowUpdate(this.received));
          this.received = 0;
        }
        if (!this.hasTrailers && (flags & END_STREAM) !== 0) this.end(stream);
        break;
      case FrameType.HEADERS:
        this.takeHeaders(flags, stream, bytes, start, end);
        break;
      case FrameType.RST_STREAM:
        // One that follows the end of its call, as a refusal's does, is no news.
        if (this.running[slotOf(stream)] === undefined) break;
        this.end(stream, new Error(`the server reset the stream: ${bytes.readUInt32BE(start)}`));
        break;
      case FrameType.SETTINGS:
        if ((flags & ACK) === 0) this.takeSettings(bytes.subarray(start, end));
        break;
      case FrameType.PING:
        if ((flags & ACK) !== 0) break;
        this.write(frame(FrameType.PING, ACK, 0, bytes.subarray(start, end)));
        break;
      case FrameType.GOAWAY:
        this.failAll(new Error(`the server went away: ${bytes.readUInt32BE(start + 4)}`));
        break;
      case FrameType.WINDOW_UPDATE:
        if (stream === 0) this.sendWindow += bytes.readUInt32BE(start);
        break;
    }
  }

  private takeSettings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== MAX_CONCURRENT_STREAMS) continue;
      this.maxStreams = payload.readUInt32BE(at + 2);
    }
    this.write(frame(FrameType.SETTINGS, ACK, 0, Buffer.alloc(0)));
    this.onSettings();
  }

  private takeHeaders(
    flags: number,
    stream: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const isEnd = (flags & END_STREAM) !== 0;
    const { okTrailers } = this;
    const isOk =
      end - start === okTrailers.length &&
      bytes.compare(okTrailers, 0, okTrailers.length, start, end) === 0;
    if (this.hasTrailers && (!isEnd || isOk)) {
      if (isEnd) this.end(stream);
      return;
    }
    if ((flags & END_HEADERS) === 0) {
      this.end(stream, new Error('headers that go on in another frame'));
      return;
    }
    const key = bytes.toString('latin1', start, end);
    const known = this.otherEnds.get(key);
    if (known !== undefined) {
      this.end(stream, known);
      return;
    }
    const padding = (flags & PADDED) === 0 ? 0 : bytes[start]! + 1;
    const from = start + ((flags & PADDED) === 0 ? 0 : 1) + ((flags & PRIORITY) === 0 ? 0 : 5);
    this.decoder.decode(bytes, from, end - Math.max(0, padding - 1), MAX_LIST_BYTES);
    const { fields } = this.decoder;
    const text = (name: string): string | undefined =>
      fields.find((field) => field.name === name)?.value;
    if (!this.hasTrailers) {
      const status = text(':status');
      if (status !== '200') this.end(stream, new Error(`HTTP ${status}`));
      else if (isEnd) this.end(stream);
      return;
    }
    const status = text('grpc-status');
    if (status === '0') {
      this.okTrailers = Buffer.from(bytes.subarray(start, end));
      this.end(stream);
    } else {
      const error = new GrpcCallError(Number(status), String(text('grpc-message')));
      if (this.otherEnds.size >= MOST_OTHER_ENDS) this.otherEnds.clear();
      this.otherEnds.set(key, error);
      this.end(stream, error);
    }
  }

  private end(stream: number, error?: Error): void {
    const slot = slotOf(stream);
    const done = this.running[slot];
    if (done === undefined) return;
    this.running[slot] = undefined;
    this.runningCount -= 1;
    done(error);
  }

  private failAll(error: Error): void {
    this.failure ??= error;
    const calls = [...this.running, ...this.waiting.map(({ done }) => done)];
    this.running.length = 0;
    this.runningCount = 0;
    this.waiting.length = 0;
    for (const done of calls) done?.(error);
  }
}

function slotOf(stream: number): number {
  return (stream >>> 1) % MOST_UNDER_WAY;
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  payload.copy(bytes, HEAD_BYTES);
  return bytes;
}

function settingsFrame(): Buffer {
  const payload = Buffer.alloc(6 * SETTINGS.length);
  for (const [i, [name, value]] of SETTINGS.entries()) {
    payload.writeUInt16BE(name, 6 * i);
    payload.writeUInt32BE(value, 6 * i + 2);
  }
  return frame(FrameType.SETTINGS, 0, 0, payload);
}

function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes, 0);
  return frame(FrameType.WINDOW_UPDATE, 0, 0, payload);
}

/** The head of every request, without Huffman and without the dynamic table (RFC 7541, appendix A for the indexes). */
function requestHead(authority: string, path: string): Buffer {
  const text = (value: string): Buffer => {
    if (value.length > 126) throw new Error(`too long for a head of one byte: ${value}`);
    return Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  };
  return Buffer.concat([
    Buffer.from([0x83, 0x86, 0x04]), // :method POST, :scheme http, :path
    text(path),
    Buffer.from([0x01]), // :authority
    text(authority),
    Buffer.from([0x0f, 0x10]), // content-type
    text('application/grpc'),
    Buffer.from([0x00]),
    text('te'),
    text('trailers'),
  ]);
}
