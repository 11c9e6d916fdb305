import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import type { Caller } from '../../src/call/access.ts';
import { awaitCaller } from '../../src/grpc/identify.ts';
import { ServerCall } from '../../src/grpc/server-call.ts';
import { headOfCall, quietObserver, streamTo } from './test-call.ts';

test('what a call brings counts until it is known who calls, also when that is all', async () => {
  const kept: number[][] = [];
  const call = new ServerCall(
    headOfCall('/test.Service/Call'),
    streamTo({ release: (keptBytes = 0, pieceCount = 0) => kept.push([keptBytes, pieceCount]) }),
    { maxRequestBytes: 1000, defaultDeadlineMs: 0, maxConcurrentRequests: 10 },
    quietObserver(),
  );
  const { promise: found, resolve: find } = Promise.withResolvers<Caller>();
  const seen: string[] = [];
  const body = awaitCaller(call, found, () => ({
    onData: (chunk) => void seen.push(Buffer.from(chunk).toString()),
    onEnd: () => void seen.push('end'),
    onClose: () => undefined,
  }));
  body.onData(Buffer.from('abc'));
  body.onData(Buffer.from('de'));
  body.onEnd();
  expect([seen, kept]).toEqual([
    [],
    [
      [3, 1],
      [5, 2],
    ],
  ]);
  find({
    name: 'somebody',
    roles: [],
    groups: [],
    namespaces: [],
    isServer: false,
    validUntilMs: Infinity,
  });
  await found;
  expect([seen, kept.at(-1)]).toEqual([
    ['abc', 'de', 'end'],
    [0, 0],
  ]);
});
