import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import {
  data,
  END_HEADERS,
  frame,
  ping,
  PREFACE,
  resetStream,
  settings,
  windowUpdate,
  type Fields,
} from './frames.ts';
import type { Random } from './random.ts';
import { TableOfClient } from './table-of-client.ts';

const DEFAULT_WINDOW = 65_535;
const INITIAL_WINDOW_SIZE = 4;

/** A request as the client knows it. */
export interface ModelStream {
  readonly id: number;
  readonly request: Buffer;
  sentBytes: number;
  /** What the server lets us send. */
  sendWindow: number;
  /** What we let the server send, as far as it can know. */
  receiveWindow: number;
  status: string | undefined;
  readonly body: Buffer[];
  trailers: Record<string, string> | undefined;
  resetCode: number | undefined;
  isCancelled: boolean;
  isEnded: boolean;
}

/**
 * A client that keeps the rules, keeps the books on windows, and says when the server breaks one. Its requests and its
 * moods come from a `Random`.
 */
export class ModelClient {
  readonly streams = new Map<number, ModelStream>();
  fault: string | undefined;
  goaway: { readonly lastStreamId: number; readonly code: number } | undefined;
  private readonly random: Random;
  private readonly table = new TableOfClient();
  private readonly decoder = new HpackDecoder();
  private out: Buffer[] = [PREFACE];
  private received: Buffer = Buffer.alloc(0);
  private nextId = 1;
  private sendWindow = DEFAULT_WINDOW;
  private serverInitialWindow = DEFAULT_WINDOW;
  private receiveWindow = DEFAULT_WINDOW;
  private initialWindow = DEFAULT_WINDOW;
  /** Initial windows that were sent and not acknowledged. */
  private readonly unacknowledged: (number | undefined)[] = [undefined];

  constructor(random: Random) {
    this.random = random;
    this.out.push(settings());
  }

  /** Bytes to send. */
  take(): Buffer {
    const bytes = Buffer.concat(this.out);
    this.out = [];
    return bytes;
  }

  get openStreams(): ModelStream[] {
    return [...this.streams.values()].filter((each) => !each.isEnded && !each.isCancelled);
  }

  /** Does one thing that a client may do. */
  act(): void {
    const open = this.openStreams;
    const mood = this.random.below(100);
    if (mood < 30) {
      if (open.length < 20 && this.goaway === undefined) this.openStream();
    } else if (mood < 60) {
      if (open.length > 0) this.sendBody(this.random.pick(open));
    } else if (mood < 90) {
      this.growWindow(mood < 75 && open.length > 0 ? this.random.pick(open) : undefined);
    } else if (mood < 94) {
      this.changeInitialWindow(this.random.below(40_000));
    } else if (mood < 97) {
      this.out.push(ping());
    } else if (open.length > 0) {
      this.cancel(this.random.pick(open));
    }
  }

  /** Lets everything that is under way come to its end. */
  settle(): void {
    this.changeInitialWindow(1_000_000);
    for (const stream of this.openStreams) this.growWindow(stream, 1_000_000);
    this.growWindow(undefined, 50_000_000);
    this.settleBodies();
  }

  settleBodies(): void {
    for (const stream of this.openStreams) {
      while (stream.sentBytes <= stream.request.length && this.sendBody(stream));
    }
  }

  receive(bytes: Buffer): void {
    this.received = Buffer.concat([this.received, bytes]);
    while (this.received.length >= 9) {
      const end = 9 + this.received.readUIntBE(0, 3);
      if (this.received.length < end) return;
      this.receiveFrame(
        this.received[3]!,
        this.received[4]!,
        this.received.readUInt32BE(5),
        this.received.subarray(9, end),
      );
      this.received = this.received.subarray(end);
    }
  }

  private openStream(): void {
    const id = this.nextId;
    this.nextId += 2;
    const length = this.random.pick([0, 1, 100, 3000, 20_000, 60_000]);
    const request = Buffer.alloc(length, this.random.bytes(251));
    const fields: Fields = [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', this.random.pick(['/reply', '/write', '/later', '/slowly'])],
      [':authority', 'test'],
      ['x-number', `${this.random.below(3)}`],
    ];
    const block = Buffer.concat(
      fields.map(([name, value]) => this.table.encode(name, value, this.random.pick([0, 0, 1, 4]))),
    );
    this.streams.set(id, {
      id,
      request,
      sentBytes: 0,
      sendWindow: this.serverInitialWindow,
      receiveWindow: this.initialWindow,
      status: undefined,
      body: [],
      trailers: undefined,
      resetCode: undefined,
      isCancelled: false,
      isEnded: false,
    });
    const at = this.random.below(block.length + 1);
    if (this.random.chance(1, 5)) {
      this.out.push(frame(1, 0, id, block.subarray(0, at)));
      this.out.push(frame(9, END_HEADERS, id, block.subarray(at)));
    } else {
      this.out.push(frame(1, END_HEADERS, id, block));
    }
  }

  /** Sends a piece, the last one with END_STREAM. False: no window. */
  private sendBody(stream: ModelStream): boolean {
    const rest = stream.request.length - stream.sentBytes;
    if (rest < 0) return false;
    const room = Math.min(rest, stream.sendWindow, this.sendWindow, 16_384);
    if (room <= 0 && rest > 0) return false;
    const size = this.random.chance(1, 3) ? this.random.below(room + 1) : room;
    const isLast = size === rest;
    this.out.push(
      data(
        stream.id,
        stream.request.subarray(stream.sentBytes, stream.sentBytes + size),
        isLast ? 1 : 0,
      ),
    );
    stream.sentBytes += isLast ? size + 1 : size;
    stream.sendWindow -= size;
    this.sendWindow -= size;
    return true;
  }

  private growWindow(stream: ModelStream | undefined, by = 1 + this.random.below(30_000)): void {
    this.out.push(windowUpdate(stream?.id ?? 0, by));
    if (stream === undefined) this.receiveWindow += by;
    else stream.receiveWindow += by;
  }

  private changeInitialWindow(bytes: number): void {
    this.out.push(settings([INITIAL_WINDOW_SIZE, bytes]));
    this.unacknowledged.push(bytes);
  }

  private cancel(stream: ModelStream): void {
    stream.isCancelled = true;
    this.out.push(resetStream(stream.id));
  }

  private receiveFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    const stream = this.streams.get(streamId);
    if (streamId > 0 && stream === undefined) this.fault ??= `a frame for stream ${streamId}`;
    else if (stream?.isEnded === true && type !== 3 && type !== 8)
      this.fault ??= 'a frame too many';
    else if (type === 0) this.receiveData(stream!, flags, payload);
    else if (type === 1) this.receiveHeaders(stream!, flags, payload);
    else if (type === 3) this.receiveReset(stream!, payload.readUInt32BE(0));
    else if (type === 4) this.receiveSettings(flags, payload);
    else if (type === 6 && flags === 0) this.out.push(frame(6, 1, 0, payload));
    else if (type === 7) this.receiveGoaway(payload.readUInt32BE(0), payload.readUInt32BE(4));
    else if (type === 8) {
      if (stream === undefined) this.sendWindow += payload.readUInt32BE(0);
      else stream.sendWindow += payload.readUInt32BE(0);
    }
  }

  /** Streams beyond the last one are not served: a client sends them elsewhere. */
  private receiveGoaway(lastStreamId: number, code: number): void {
    this.goaway = { lastStreamId, code };
    for (const stream of this.streams.values()) {
      if (stream.id > lastStreamId) stream.isCancelled = true;
    }
  }

  private receiveData(stream: ModelStream, flags: number, payload: Buffer): void {
    stream.receiveWindow -= payload.length;
    this.receiveWindow -= payload.length;
    if (payload.length > 0 && (stream.receiveWindow < 0 || this.receiveWindow < 0)) {
      this.fault ??= `${payload.length} bytes beyond a window`;
    }
    stream.body.push(payload);
    if ((flags & 1) === 1) stream.isEnded = true;
  }

  private receiveHeaders(stream: ModelStream, flags: number, payload: Buffer): void {
    this.decoder.decode(payload, 0, payload.length, 65_536);
    const fields = Object.fromEntries(this.decoder.fields.map(({ name, value }) => [name, value]));
    if (stream.status === undefined) stream.status = fields[':status'];
    else stream.trailers = fields;
    if ((flags & 1) === 1) stream.isEnded = true;
  }

  private receiveReset(stream: ModelStream, code: number): void {
    if (code !== 0) stream.resetCode = code;
    stream.isEnded = true;
  }

  private receiveSettings(flags: number, payload: Buffer): void {
    if ((flags & 1) === 0) {
      this.out.push(frame(4, 1, 0));
      for (let at = 0; at < payload.length; at += 6) {
        if (payload.readUInt16BE(at) !== INITIAL_WINDOW_SIZE) continue;
        const bytes = payload.readUInt32BE(at + 2);
        for (const stream of this.streams.values()) {
          stream.sendWindow += bytes - this.serverInitialWindow;
        }
        this.serverInitialWindow = bytes;
      }
      return;
    }
    const bytes = this.unacknowledged.shift();
    if (bytes === undefined) return;
    // From here on the server reckons with the new size.
    for (const stream of this.streams.values()) stream.receiveWindow += bytes - this.initialWindow;
    this.initialWindow = bytes;
  }
}
