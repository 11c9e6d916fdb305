import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import type { EngineLimits, Http2Engine, StreamListener } from '../../src/http2/http2-engine.ts';
import { OK_HEADERS, OK_TRAILERS } from './raw-client.ts';
import { SimulatedSocket } from './simulated-socket.ts';

/** What a client and the application see of one connection, without what an engine is free to choose. */
export interface Observation {
  /** By stream: fields, content, and how it ended. */
  readonly streams: Record<number, string>;
  /** Pings that were answered. */
  readonly pings: string[];
  /** 'closing' = GOAWAY without an error; 'failed' = with one, whatever it is: the code is for people. */
  readonly connection: 'open' | 'closing' | 'failed';
  /** Requests that the application saw, with what it saw of their bodies. */
  readonly requests: string[];
}

type CreateEngine = (limits: EngineLimits, listener: StreamListener) => Http2Engine;

/** Quiet turns of the event loop after which nothing more is expected: both engines answer within a few. */
const QUIET_TURNS = 12;

/** Feeds one connection to an engine whose application echoes. */
export async function observe(
  create: CreateEngine,
  pieces: readonly Buffer[],
): Promise<Observation> {
  const requests: { head: string; body: Buffer; isEnded: boolean }[] = [];
  const engine = create(DEFAULT_LIMITS, (head, response) => {
    const fields = head.fields.map(({ name, value }) => `${name}=${value}`).sort();
    const request = {
      head: [head.method, head.path, head.scheme, head.authority, ...fields].join(' '),
      body: Buffer.alloc(0),
      isEnded: false,
    };
    requests.push(request);
    return {
      onData: (chunk) => void (request.body = Buffer.concat([request.body, chunk])),
      onEnd(): void {
        request.isEnded = true;
        response.reply(OK_HEADERS, request.body, OK_TRAILERS);
      },
      onClose() {},
    };
  });
  const written: Buffer[] = [];
  const socket = new SimulatedSocket((chunk) => void written.push(chunk));
  engine.accept(socket);
  await quiet(written, requests);
  for (const piece of pieces) {
    socket.deliver(piece);
    await quiet(written, requests);
  }
  const seen = summarize(Buffer.concat(written));
  engine.close();
  socket.destroy();
  return {
    ...seen,
    requests: requests.map(
      ({ head, body, isEnded }) => `${head} ${body.toString('hex')} ${isEnded ? 'ended' : 'open'}`,
    ),
  };
}

async function quiet(written: readonly unknown[], requests: readonly unknown[]): Promise<void> {
  for (let turns = 0, before = -1; turns < QUIET_TURNS; turns++) {
    const now = written.length + requests.length;
    if (now !== before) turns = 0;
    before = now;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function summarize(bytes: Buffer): Omit<Observation, 'requests'> {
  const streams: Record<number, string> = {};
  const pings: string[] = [];
  let connection: Observation['connection'] = 'open';
  const decoder = new HpackDecoder();
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    const payload = bytes.subarray(at + 9, at + 9 + bytes.readUIntBE(at, 3));
    const streamId = bytes.readUInt32BE(at + 5);
    const flags = bytes[at + 4]!;
    const add = (text: string): void => {
      streams[streamId] = `${streams[streamId] ?? ''}${text}${(flags & 1) === 1 ? ' end' : ''}`;
    };
    switch (bytes[at + 3]) {
      case 0:
        add(payload.toString('hex'));
        break;
      case 1: {
        decoder.decode(payload, 0, payload.length, 65_536);
        const fields = decoder.fields.filter(({ name }) => name !== 'date');
        add(`[${fields.map(({ name, value }) => `${name}=${value}`).join(' ')}]`);
        break;
      }
      case 3:
        // An ended response may be followed by a reset without an error, or not.
        if (streams[streamId]?.endsWith(' end') !== true) {
          streams[streamId] = `${streams[streamId] ?? ''} reset`;
        }
        break;
      case 6:
        if (flags === 1) pings.push(payload.toString('hex'));
        break;
      case 7:
        connection = payload.readUInt32BE(4) === 0 ? 'closing' : 'failed';
        break;
      default:
    }
  }
  if (connection === 'failed') {
    // The end of the connection is theirs too, whether it was said or not.
    for (const [streamId, seen] of Object.entries(streams)) {
      if (seen.endsWith('reset')) delete streams[Number(streamId)];
    }
  }
  return { streams, pings, connection };
}

/** The preface and the whole frames of a connection; what is left of a frame that was cut off is left out. */
export function cutAfterFrames(bytes: Buffer): Buffer[] {
  const pieces = [bytes.subarray(0, 24)];
  for (let at = 24; at + 9 <= bytes.length;) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}
