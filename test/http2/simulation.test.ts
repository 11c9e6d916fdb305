import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import type { Http2Engine, ResponseStream } from '../../src/http2/http2-engine.ts';
import { ModelClient, type ModelStream } from './model-client.ts';
import { cut } from './random-frames.ts';
import { countFromEnvironment, Random } from './random.ts';
import { OK_HEADERS, OK_TRAILERS } from './raw-client.ts';
import { SimulatedSocket } from './simulated-socket.ts';

/** `HTTP2_SIMULATION_RUNS` connections, from `HTTP2_SIMULATION_SEED` on. */
const RUNS = countFromEnvironment('HTTP2_SIMULATION_RUNS', 40);
const SEED = countFromEnvironment('HTTP2_SIMULATION_SEED', 1);
const STEPS = 100;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What a request is answered with. */
const answerOf = (request: Buffer): Buffer => Buffer.concat([request, request.subarray(0, 1000)]);

/** An engine whose application answers at once, later, in pieces, or as fast as it may. */
function createServer(): {
  engine: Http2Engine;
  counts: { opened: number; closed: number };
  faults: unknown[];
} {
  const counts = { opened: 0, closed: 0 };
  const faults: unknown[] = [];
  const engine = createEngine(
    { ...DEFAULT_LIMITS, windowBytes: 20_000, minPingIntervalMs: 0 },
    (head, response) => {
      counts.opened += 1;
      const parts: Uint8Array[] = [];
      return {
        onData: (chunk) => void parts.push(chunk),
        onEnd: () => answer(head.path, response, answerOf(Buffer.concat(parts))),
        onClose: () => void (counts.closed += 1),
      };
    },
    { onFault: (error) => void faults.push(error) },
  );
  return { engine, counts, faults };
}

function answer(path: string, response: ResponseStream, body: Buffer): void {
  if (path === '/reply') response.reply(OK_HEADERS, body, OK_TRAILERS);
  else if (path === '/later') setImmediate(() => response.reply(OK_HEADERS, body, OK_TRAILERS));
  else {
    response.respond(OK_HEADERS, false);
    if (path === '/write') {
      for (let at = 0; at < body.length; at += 3000) response.write(body.subarray(at, at + 3000));
      response.end(undefined, OK_TRAILERS);
    } else {
      writeSlowly(response, body, 0);
    }
  }
}

function writeSlowly(response: ResponseStream, body: Buffer, at: number): void {
  while (at < body.length) {
    const piece = body.subarray(at, at + 10_000);
    at += piece.length;
    if (!response.write(piece)) {
      response.onDrain(() => writeSlowly(response, body, at));
      return;
    }
  }
  response.end(undefined, OK_TRAILERS);
}

function checkAnswer(stream: ModelStream): void {
  if (stream.isCancelled) return;
  expect(stream.resetCode).toBeUndefined();
  expect(stream.status).toBe('200');
  expect(stream.trailers).toEqual({ 'grpc-status': '0' });
  expect(Buffer.concat(stream.body).equals(answerOf(stream.request))).toBe(true);
}

/** One connection: a client acts, bytes are split, the socket stalls, and now and then breaks at some byte. */
async function simulate(seed: number): Promise<void> {
  const random = new Random(seed);
  const { engine, counts, faults } = createServer();
  const client = new ModelClient(random);
  const socket = new SimulatedSocket((chunk) => client.receive(chunk));
  engine.accept(socket);
  const line = { bytesUntilCut: random.chance(1, 3) ? 1 + random.below(300_000) : Infinity };
  const drainAt = random.chance(1, 3) ? random.below(STEPS) : Infinity;

  const deliver = async (): Promise<void> => {
    for (const piece of cut(random, client.take())) {
      if (piece.length >= line.bytesUntilCut) {
        socket.deliver(piece.subarray(0, line.bytesUntilCut));
        if (random.chance(1, 2)) socket.hangUp();
        else socket.destroy();
        line.bytesUntilCut = 0;
        return;
      }
      line.bytesUntilCut -= piece.length;
      socket.deliver(piece);
      if (random.chance(1, 200)) await turn();
    }
  };

  for (let step = 0; step < STEPS && line.bytesUntilCut > 0 && client.fault === undefined; step++) {
    if (step === drainAt) void engine.drain();
    client.act();
    if (random.chance(1, 2)) await deliver();
    if (random.chance(1, 10)) socket.stall();
    if (random.chance(1, 5)) socket.flow();
    if (random.chance(1, 3)) await turn();
  }
  socket.flow();
  if (line.bytesUntilCut > 0) {
    line.bytesUntilCut = Infinity;
    await settle(client, deliver);
  } else for (let i = 0; i < 5; i++) await turn();

  expect(client.fault).toBeUndefined();
  expect(faults).toEqual([]);
  if (line.bytesUntilCut > 0) {
    expect(client.goaway?.code ?? 0).toBe(0);
    for (const stream of client.streams.values()) checkAnswer(stream);
    socket.hangUp();
    for (let i = 0; i < 5; i++) await turn();
  }
  expect(counts.closed).toBe(counts.opened);
  expect(engine.queuedBytes).toBe(0);
  expect(engine.connectionCount).toBe(0);
}

/** Gives every request what it needs to be answered, within a bounded number of turns. */
async function settle(client: ModelClient, deliver: () => Promise<void>): Promise<void> {
  client.settle();
  for (let i = 0; i < 500; i++) {
    client.settleBodies();
    await deliver();
    await turn();
    if (client.fault !== undefined || client.openStreams.length === 0) return;
  }
  throw new Error(`${client.openStreams.length} streams were not answered`);
}

describe('a connection over a socket that splits, stalls and breaks', () => {
  it(
    'answers every request, keeps within all windows, and leaves nothing behind',
    { timeout: 60_000 + RUNS * 200 },
    async () => {
      for (let seed = SEED; seed < SEED + RUNS; seed++) {
        try {
          await simulate(seed);
        } catch (error) {
          throw new Error(
            `HTTP2_SIMULATION_SEED=${seed} HTTP2_SIMULATION_RUNS=1 shows it: ${String(error)}`,
            { cause: error },
          );
        }
      }
    },
  );
});
