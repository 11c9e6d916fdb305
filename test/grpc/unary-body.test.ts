import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { createAdmissionGate } from '../../src/admission/admission-gate.ts';
import { createDispatcher } from '../../src/grpc/dispatch.ts';
import { FRAME_HEADROOM } from '../../src/grpc/grpc-service.ts';
import { headOfCall, quietObserver, streamTo } from './test-call.ts';

/** So many are in work before anybody waits. */
const PLACES = 64;

/** Calls of one method, each of which is in work until it is told its answer. */
function openCalls() {
  const inWork: { message: Uint8Array; answer: (framed: Uint8Array) => void }[] = [];
  const gate = createAdmissionGate(
    {
      latencyMs: 1000,
      minRequests: 1000,
      maxRequests: 1000,
      maxWaitingBytes: 1_000_000,
      busyMs: () => 0,
      later: () => undefined,
    },
    performance.now(),
  );
  const { listener } = createDispatcher({
    services: [
      {
        name: 'test.Service',
        methods: {
          Read: {
            kind: 'unary',
            admission: 'measured',
            call: (message) => {
              const { promise, resolve } = Promise.withResolvers<Uint8Array>();
              inWork.push({ message, answer: resolve });
              return promise;
            },
          },
        },
      },
    ],
    limits: { maxRequestBytes: 1_000_000, defaultDeadlineMs: 0, maxConcurrentRequests: 1000, gate },
    observer: quietObserver(),
  });
  const send = (chunk: Uint8Array, isWhole = true): void => {
    const head = headOfCall('/test.Service/Read', { 'grpc-encoding': 'gzip' });
    const body = listener(head, streamTo());
    body.onData(chunk);
    if (isWhole) body.onEnd();
  };
  return { gate, inWork, send };
}

/** Zeros, a thousand times as many as their frame has bytes. */
function packedFrame(length: number): Uint8Array {
  const packed = gzipSync(Buffer.alloc(length));
  const frame = Buffer.concat([Buffer.of(1, 0, 0, 0, 0), packed]);
  frame.writeUInt32BE(packed.length, 1);
  return frame;
}

/** A message in its frame, where it lies in what has been received. */
function received(text: string, receivedBytes: number): Uint8Array {
  const bytes = Buffer.alloc(receivedBytes);
  bytes[FRAME_HEADROOM - 1] = text.length;
  bytes.write(text, FRAME_HEADROOM);
  return bytes.subarray(0, FRAME_HEADROOM + text.length);
}

test('a message that waits keeps no more than itself of what was received with it', async () => {
  const { gate, inWork, send } = openCalls();
  for (let i = 0; i < PLACES; i++) send(received('at once', 65_536));
  send(received('later', 65_536));
  expect([inWork.length, gate.waitingCount]).toEqual([PLACES, 1]);
  // Who need not wait is not copied.
  expect(inWork[0]!.message.buffer.byteLength).toBe(65_536);
  inWork[0]!.answer(new Uint8Array(FRAME_HEADROOM));
  await expect.poll(() => inWork.length).toBe(PLACES + 1);
  const { message } = inWork.at(-1)!;
  expect(Buffer.from(message).toString()).toBe('later');
  expect(message.buffer.byteLength).toBe('later'.length);
});

test('compressed messages stay so until their turn has come', async () => {
  const { gate, inWork, send } = openCalls();
  const frame = packedFrame(1_000_000);
  const bytesBefore = process.memoryUsage().arrayBuffers;
  // Their ends have not come.
  for (let i = 0; i < 500; i++) send(Buffer.from(frame), false);
  for (let i = 0; i < PLACES; i++) send(received('at once', 64));
  for (let i = 0; i < 500; i++) send(Buffer.from(frame));
  expect([inWork.length, gate.waitingCount]).toEqual([PLACES, 500]);
  expect(process.memoryUsage().arrayBuffers - bytesBefore).toBeLessThan(50_000_000);
  inWork[0]!.answer(new Uint8Array(FRAME_HEADROOM));
  await expect.poll(() => inWork.length).toBe(PLACES + 1);
  expect(inWork.at(-1)!.message.length).toBe(1_000_000);
});
