import { describe, expect, it } from 'vitest';
import { ConnectionError, ErrorCode } from '../../src/http2/frame.ts';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import { createEngine } from '../../src/http2/engine.ts';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { CORPUS } from './corpus.ts';
import { HELLO } from './frames.ts';
import { cut, damage, randomBlock, randomConnection } from './random-frames.ts';
import { countFromEnvironment, Random } from './random.ts';
import { OK_HEADERS, OK_TRAILERS } from './raw-client.ts';
import { SimulatedSocket } from './simulated-socket.ts';

/** `HTTP2_FUZZ_RUNS` inputs of each kind, from `HTTP2_FUZZ_SEED` on. */
const RUNS = countFromEnvironment('HTTP2_FUZZ_RUNS', 10_000);
const SEED = countFromEnvironment('HTTP2_FUZZ_SEED', 1);
/** Connections that are looked at together, after a turn of the event loop. */
const BATCH = 100;
const TIMEOUT_MS = 60_000 + RUNS;

/** What became of one input. */
interface Outcome {
  readonly seed: number;
  readonly socket: SimulatedSocket;
  readonly written: Buffer[];
  requestCount: number;
  closeCount: number;
}

/** Runs inputs through one engine, whose application answers in ways that depend on the request. */
function createTarget(): { run(seed: number, pieces: readonly Buffer[]): Outcome; fault: unknown } {
  const target = { fault: undefined as unknown, run };
  let current: Outcome;
  const engine = createEngine(
    { ...DEFAULT_LIMITS, maxConcurrentStreams: 4, maxHeaderListBytes: 1024, windowBytes: 100 },
    (head, response) => {
      const outcome = current;
      outcome.requestCount += 1;
      let size = 0;
      return {
        onData: (chunk) => void (size += chunk.length),
        onEnd(): void {
          if (size % 3 === 1) {
            response.respond(OK_HEADERS, false);
            response.write(Buffer.alloc(size));
            response.end(undefined, OK_TRAILERS);
          } else if (head.fields.length % 3 === 2) {
            response.respond(OK_HEADERS, true);
          } else {
            response.reply(OK_HEADERS, Buffer.alloc(size * 10), OK_TRAILERS);
          }
        },
        onClose: () => void (outcome.closeCount += 1),
      };
    },
    { onFault: (error) => void (target.fault ??= error) },
  );
  function run(seed: number, pieces: readonly Buffer[]): Outcome {
    const written: Buffer[] = [];
    const socket = new SimulatedSocket((chunk) => void written.push(chunk));
    current = { seed, socket, written, requestCount: 0, closeCount: 0 };
    engine.accept(socket);
    for (const piece of pieces) socket.deliver(piece);
    return current;
  }
  return target;
}

/**
 * What a server may write, whatever it was sent: whole frames, in their order, nothing after the end of a stream. Says what
 * is wrong with it. Without `expect`, which is too slow for millions.
 */
function faultOf(bytes: Buffer): string | undefined {
  const open = new Set<number>();
  const ended = new Set<number>();
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUIntBE(at, 3);
    const type = bytes[at + 3]!;
    const streamId = bytes.readUInt32BE(at + 5);
    const end = at + 9 + length;
    if (end > bytes.length || length > 16_384) return `a frame of ${length} bytes`;
    if (at === 0 && type !== 4) return 'no SETTINGS in the beginning';
    if (type === 0 || type === 1) {
      if ((streamId & 1) === 0) return `stream ${streamId}`;
      if (ended.has(streamId)) return 'a frame after the end';
      if (type === 0 && !open.has(streamId)) return 'DATA before HEADERS';
      open.add(streamId);
      if ((bytes[at + 4]! & 1) === 1) ended.add(streamId);
    } else if (type === 3) {
      ended.add(streamId);
    } else if (![4, 6, 7, 8].includes(type)) {
      return `a frame of type ${type}`;
    }
    if (type === 7 && bytes.readUInt32BE(at + 13) !== 0 && end < bytes.length) {
      return 'a frame after GOAWAY with an error';
    }
    at = end;
  }
  return undefined;
}

function failure(seed: number, cause: unknown): Error {
  const what = cause instanceof Error ? cause.message : String(cause);
  return new Error(`${what}; HTTP2_FUZZ_SEED=${seed} HTTP2_FUZZ_RUNS=1 shows it`, { cause });
}

describe('any bytes at all', () => {
  it(
    'leave a connection answered, open or ended with GOAWAY, and the engine as it was',
    { timeout: TIMEOUT_MS },
    async () => {
      const target = createTarget();
      let batch: Outcome[] = [];
      let before = 0;
      for (let run = 0; run < RUNS; run++) {
        const seed = SEED + run;
        const random = new Random(seed);
        batch.push(target.run(seed, cut(random, randomConnection(random))));
        if (batch.length < BATCH && run < RUNS - 1) continue;
        await new Promise((resolve) => setImmediate(resolve));
        for (const { seed, socket, written, requestCount, closeCount } of batch) {
          const fault = target.fault ?? faultOf(Buffer.concat(written));
          if (fault !== undefined) throw failure(seed, fault);
          if (closeCount > requestCount) throw failure(seed, 'closed twice');
          socket.destroy();
        }
        for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
        for (const { seed, requestCount, closeCount } of batch) {
          if (closeCount !== requestCount) throw failure(seed, 'a stream that was not closed');
        }
        batch = [];
        if (run < RUNS / 4) before = process.memoryUsage().heapUsed;
      }
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(200 * 1024 * 1024);
    },
  );

  it.each(CORPUS)('what $name sent is answered, however it is cut', async ({ bytes }) => {
    const whole = createTarget().run(0, [bytes]);
    const random = new Random(SEED);
    const cuts = Array.from({ length: 20 }, () => createTarget().run(0, cut(random, bytes)));
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(whole.requestCount).toBeGreaterThan(0);
    const types = (outcome: Outcome): string => {
      const written = Buffer.concat(outcome.written);
      expect(faultOf(written)).toBeUndefined();
      return [...dataAndHeaders(written)].sort().join(' ');
    };
    for (const each of cuts) {
      expect(types(each)).toBe(types(whole));
      expect(each.requestCount).toBe(whole.requestCount);
    }
  });
});

/** Frames of streams, without those that depend on how bytes were cut. */
function* dataAndHeaders(bytes: Buffer): Generator<string> {
  for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    if (bytes[at + 3]! < 2) yield bytes.toString('hex', at, at + 9);
  }
}

describe('any header block', () => {
  it('is decoded or refused, within the limit', { timeout: TIMEOUT_MS }, () => {
    const LIMIT = 1024;
    for (let run = 0; run < RUNS; run++) {
      const seed = SEED + run;
      const random = new Random(seed);
      const decoder = new HpackDecoder();
      try {
        for (let count = 1 + random.below(4); count > 0; count--) {
          let block = random.chance(1, 3) ? random.bytes(random.below(60)) : randomBlock(random);
          if (random.chance(1, 3)) block = damage(random, block);
          decoder.decode(block, 0, block.length, LIMIT);
          const size = decoder.fields.reduce(
            (sum, { name, value }) => sum + name.length + value.length + 32,
            0,
          );
          if (size > LIMIT) throw new Error(`${size} bytes of fields`);
        }
      } catch (error) {
        if (error instanceof ConnectionError && error.code === ErrorCode.COMPRESSION_ERROR)
          continue;
        throw failure(seed, error);
      }
    }
  });
});

it('the corpus begins as connections do', () => {
  expect(CORPUS.length).toBeGreaterThanOrEqual(10);
  for (const { bytes } of CORPUS) expect(bytes.subarray(0, 24)).toEqual(HELLO.subarray(0, 24));
});
