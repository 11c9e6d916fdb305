import { duplexPair, type Duplex } from 'node:stream';
import { vi } from 'vitest';
import { encodeHeaderBlock } from '../../src/http2/header-block.ts';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import type {
  EngineLimits,
  Http2Engine,
  RequestHead,
  ResponseStream,
  StreamListener,
} from '../../src/http2/http2-engine.ts';
import { HELLO, type Frame } from './frames.ts';

/** A request as the application saw it. */
export interface SeenRequest {
  readonly head: RequestHead;
  readonly response: ResponseStream;
  body: Buffer;
  isEnded: boolean;
  closeCount: number;
}

/** A client that sends any bytes at all and keeps the frames that come back. */
export interface RawClient {
  readonly frames: readonly Frame[];
  /** The server has closed. */
  readonly isEnded: boolean;
  readonly socket: Duplex;
  send(...bytes: readonly Uint8Array[]): void;
  /** Waits for the first frame that `matches`. */
  frame(what: string, matches: (frame: Frame) => boolean): Promise<Frame>;
  /** Waits for HEADERS of a stream; the `count`th, the first being 1. */
  fields(streamId: number, count?: number): Promise<Record<string, string>>;
  /** Waits for RST_STREAM; its error code. */
  resetCode(streamId: number): Promise<number>;
  /** Waits for a GOAWAY with an error, and for the end. */
  failure(): Promise<{ readonly code: number; readonly reason: string }>;
  /** The content of all DATA so far. */
  body(streamId: number): Buffer;
}

/** An engine with an application that keeps what it sees and does what the test says. */
export interface Rig {
  readonly engine: Http2Engine;
  readonly requests: SeenRequest[];
  readonly faults: unknown[];
  connect(...first: readonly Uint8Array[]): RawClient;
}

export const OK_HEADERS = encodeHeaderBlock({ ':status': 200 });
export const OK_TRAILERS = encodeHeaderBlock({ 'grpc-status': 0 });

/**
 * @param onEnd what to do when a request is complete; unless given, its body is sent back with trailers
 * @param create the engine; unless given, our own
 * @param turnAway see `StreamListener`
 */
export function createRig(
  limits: Partial<EngineLimits> = {},
  onEnd: (request: SeenRequest) => void = echo,
  create: typeof createEngine = createEngine,
  turnAway?: StreamListener['turnAway'],
): Rig {
  const requests: SeenRequest[] = [];
  const faults: unknown[] = [];
  const listener: StreamListener = (head, response) => {
    const request: SeenRequest = {
      head,
      response,
      body: Buffer.alloc(0),
      isEnded: false,
      closeCount: 0,
    };
    requests.push(request);
    return {
      onData: (chunk) => void (request.body = Buffer.concat([request.body, chunk])),
      onEnd(): void {
        request.isEnded = true;
        onEnd(request);
      },
      onClose: () => void (request.closeCount += 1),
    };
  };
  const engine = create(
    { ...DEFAULT_LIMITS, ...limits },
    turnAway === undefined ? listener : Object.assign(listener, { turnAway }),
    { onFault: (error) => void faults.push(error) },
  );
  return {
    engine,
    requests,
    faults,
    connect(...first): RawClient {
      const [ours, theirs] = socketPair();
      engine.accept(theirs);
      const client = createRawClient(ours);
      client.send(...(first.length === 0 ? [HELLO] : first));
      return client;
    },
  };
}

/** Two ends of a connection in memory that close together, as those of a socket do. */
export function socketPair(): [ours: Duplex, theirs: Duplex] {
  const [ours, theirs] = duplexPair({ highWaterMark: 65_536, allowHalfOpen: false });
  ours.once('close', () => theirs.destroy());
  theirs.once('close', () => ours.destroy());
  return [ours, theirs];
}

/** Waits until a check no longer throws; long enough for a busy machine. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 20_000, interval: 2 });
}

export function echo({ response, body }: SeenRequest): void {
  response.reply(OK_HEADERS, body, OK_TRAILERS);
}

export function createRawClient(socket: Duplex): RawClient {
  const frames: Frame[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let isEnded = false;
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const end = 9 + rest.readUIntBE(0, 3);
      frames.push({
        type: rest[3]!,
        flags: rest[4]!,
        streamId: rest.readUInt32BE(5),
        payload: rest.subarray(9, end),
      });
      rest = rest.subarray(end);
    }
  });
  socket.on('end', () => (isEnded = true));
  socket.on('close', () => (isEnded = true));
  socket.on('error', () => {});

  const find = (what: string, matches: (frame: Frame) => boolean, count = 1): Promise<Frame> =>
    eventually(() => {
      const found = frames.filter(matches)[count - 1];
      if (found === undefined) {
        const seen = frames.map((each) => `${each.type}/${each.streamId}`).join(' ');
        throw new Error(`no ${what}; ${isEnded ? 'ended' : 'open'} after ${seen}`);
      }
      return found;
    });

  return {
    frames,
    get isEnded(): boolean {
      return isEnded;
    },
    socket,
    send(...bytes): void {
      socket.write(Buffer.concat(bytes));
    },
    frame: find,
    async fields(streamId, count = 1): Promise<Record<string, string>> {
      const matches = ({ type, streamId: id }: Frame): boolean => type === 1 && id === streamId;
      const { payload } = await find(`HEADERS of stream ${streamId}`, matches, count);
      const decoder = new HpackDecoder();
      decoder.decode(payload, 0, payload.length, 65_536);
      return Object.fromEntries(decoder.fields.map(({ name, value }) => [name, value]));
    },
    async resetCode(streamId): Promise<number> {
      const { payload } = await find(
        `RST_STREAM of stream ${streamId}`,
        ({ type, streamId: id }) => type === 3 && id === streamId,
      );
      return payload.readUInt32BE(0);
    },
    async failure(): Promise<{ code: number; reason: string }> {
      const { payload } = await find(
        'GOAWAY',
        ({ type, payload }) => type === 7 && payload.readUInt32BE(4) !== 0,
      );
      await eventually(() => {
        if (!isEnded) throw new Error('the connection is still open');
      });
      return { code: payload.readUInt32BE(4), reason: payload.toString('latin1', 8) };
    },
    body: (streamId) =>
      Buffer.concat(
        frames
          .filter(({ type, streamId: id }) => type === 0 && id === streamId)
          .map(({ payload }) => payload),
      ),
  };
}
