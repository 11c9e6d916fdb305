import * as grpc from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { createDispatcher } from '../../src/grpc/dispatch.ts';
import type { GrpcService } from '../../src/grpc/grpc-service.ts';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import { openPort } from '../../src/port/port.ts';
import { quietObserver } from '../grpc/test-call.ts';

const MESSAGE = Buffer.alloc(30_000, 'a row of some kind ');
const COUNT = 1000;
/** Taken at once; the caller waits while something is done with them, as with rows on their way to a store. */
const AT_ONCE = 5;

/** Takes messages a few at a time, and tells how many there were. */
function createTaker(): GrpcService {
  return {
    name: 'taker.Taker',
    methods: {
      Take: {
        kind: 'streaming',
        requests: 'many',
        open: (_call, responses) => {
          let taken = 0;
          return {
            onMessage(message) {
              expect(message).toHaveLength(MESSAGE.length);
              if (++taken % AT_ONCE !== 0) return;
              responses.hold(true);
              setTimeout(() => responses.hold(false), 1);
            },
            onEnd() {
              responses.send(Buffer.from(String(taken)));
              responses.end();
            },
          };
        },
      },
    },
  };
}

it('takes a stream of many times what a connection may keep, from a client that is faster', async () => {
  const { listener, endStreams } = createDispatcher({
    services: [createTaker()],
    limits: { maxRequestBytes: 100_000, defaultDeadlineMs: 0, maxConcurrentRequests: 10 },
    observer: quietObserver(),
  });
  const engine = createEngine(
    { ...DEFAULT_LIMITS, windowBytes: 1024 * 1024, maxQueuedBytes: 4 * 1024 * 1024 },
    listener,
  );
  const port = await openPort({
    host: '127.0.0.1',
    port: 0,
    engine,
    handler: (_request, response) => response.end(),
  });
  const client = new grpc.Client(
    `127.0.0.1:${port.address.port}`,
    grpc.credentials.createInsecure(),
  );
  try {
    const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
      const bytes = (message: Buffer): Buffer => message;
      const call = client.makeClientStreamRequest(
        '/taker.Taker/Take',
        bytes,
        bytes,
        (error, value) => (error === null ? resolve(value) : reject(error)),
      );
      for (let i = 0; i < COUNT; i++) call.write(MESSAGE);
      call.end();
    });
    expect(answer?.toString()).toBe(String(COUNT));
    expect(engine.queuedBytes).toBe(0);
  } finally {
    client.close();
    endStreams();
    await port.drain(200);
  }
});
