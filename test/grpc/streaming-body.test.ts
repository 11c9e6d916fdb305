import { expect, test } from 'vitest';
import { createDispatcher } from '../../src/grpc/dispatch.ts';
import type { ResponseSink } from '../../src/grpc/grpc-service.ts';
import { headOfCall, quietObserver, streamTo } from './test-call.ts';

/** Three bytes a message: as many of them as fit into a few kilobytes. */
function frames(count: number): Buffer {
  return Buffer.alloc(8 * count, '0000000003616263', 'hex');
}

/** A call that answers each message with another, to a caller who takes `room` of them at a time. */
function openCall(room: number) {
  const seen = {
    messages: 0,
    ends: 0,
    written: 0,
    kept: [-1, -1],
    held: [] as boolean[],
    status: '',
  };
  let responses: ResponseSink | undefined;
  let taken = 0;
  let drained: (() => void) | undefined;
  const stream = streamTo({
    respond: ({ fields }) => void (seen.status += String(fields['grpc-status'] ?? '')),
    write: () => ++seen.written - taken < room,
    end: (_bytes, trailers) => void (seen.status += String(trailers?.fields['grpc-status'] ?? '')),
    onDrain: (callback) => (drained = callback),
    hold: (isHeld) => seen.held.push(isHeld),
    release: (keptBytes = 0, pieceCount = 0) => (seen.kept = [keptBytes, pieceCount]),
  });
  const { listener } = createDispatcher({
    services: [
      {
        name: 'test.Service',
        methods: {
          Echo: {
            kind: 'streaming',
            requests: 'many',
            open(_call, sink) {
              responses = sink;
              return {
                onMessage(message) {
                  expect(Buffer.from(message).toString()).toBe('abc');
                  seen.messages++;
                  sink.send(message);
                },
                onEnd() {
                  seen.ends++;
                  sink.end();
                },
              };
            },
          },
        },
      },
    ],
    limits: { maxRequestBytes: 1000, defaultDeadlineMs: 0, maxConcurrentRequests: 10 },
    observer: quietObserver(),
  });
  const body = listener(headOfCall('/test.Service/Echo'), stream);
  const take = (): void => {
    taken = seen.written;
    drained!();
  };
  return { body, seen, take, hold: (isHeld: boolean) => responses!.hold(isHeld) };
}

test('requests wait for the answers before them to be taken, and for the end until all are read', () => {
  const { body, seen, take } = openCall(10);
  body.onData(frames(20));
  body.onData(frames(5).subarray(0, 38));
  expect([seen.messages, seen.held, seen.kept]).toEqual([10, [true], [118, 2]]);
  body.onData(frames(5).subarray(38));
  body.onEnd();
  expect([seen.messages, seen.kept, seen.ends]).toEqual([10, [120, 3], 0]);
  take();
  // As long as one of them waits nothing more is let in: what is read in a round is less than a window.
  expect([seen.messages, new Set(seen.held), seen.ends]).toEqual([20, new Set([true]), 0]);
  take();
  expect([seen.messages, seen.kept, seen.ends, seen.status]).toEqual([25, [0, 0], 1, '0']);
});

test('requests wait while the method holds them', () => {
  const { body, seen, hold } = openCall(1000);
  hold(true);
  body.onData(frames(3));
  expect(seen.messages).toBe(0);
  hold(false);
  expect([seen.messages, seen.held]).toEqual([3, [true, false]]);
  hold(true);
  body.onEnd();
  expect(seen.ends).toBe(1);
});

test('what is cut off is refused when all before it was answered', () => {
  const { body, seen, take } = openCall(2);
  body.onData(frames(3).subarray(0, 20));
  body.onEnd();
  expect([seen.messages, seen.status]).toEqual([2, '']);
  take();
  expect([seen.messages, seen.ends, seen.status]).toEqual([2, 0, '13']);
});

test('what was read counts no more among what is kept, wherever it was cut', () => {
  const { body, seen } = openCall(20_000);
  body.onData(frames(20_000).subarray(0, 100_003));
  expect([seen.messages, seen.kept]).toEqual([12_500, [3, 1]]);
  body.onData(frames(20_000).subarray(3, 10_000));
  expect([seen.messages, seen.kept]).toEqual([13_750, [0, 0]]);
});
