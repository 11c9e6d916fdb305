import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { nodeRuntime } from '../../src/redis/node-runtime.ts';
import type { SocketTarget } from '../../src/redis/redis-runtime.ts';

const LOOPBACK = { host: '127.0.0.1', keepAliveMs: 0 };
const TLS = { rejectUnauthorized: true };

function closing(target: SocketTarget): Promise<Error | undefined> {
  return new Promise((resolve, reject) => {
    nodeRuntime.connect(target, {
      onConnect: () => reject(new Error('connected')),
      receiveBuffer: () => Buffer.alloc(1024),
      onReceive: () => reject(new Error('received')),
      onClose: resolve,
    });
  });
}

test.each<[string, SocketTarget]>([
  ['a port that is none', { ...LOOPBACK, port: 70_000, tls: false }],
  ['no number', { ...LOOPBACK, port: Number.NaN, tls: false }],
  ['an authority that is none', { ...LOOPBACK, port: 1, tls: { ...TLS, ca: 'no PEM', cert: 'x' } }],
])('what cannot even be tried is told as any other failure: %s', async (_name, target) => {
  expect(await closing(target)).toBeInstanceOf(Error);
});

test('nothing is told of what was given up at once', async () => {
  const told: unknown[] = [];
  const socket = nodeRuntime.connect(
    { ...LOOPBACK, port: 70_000, tls: false },
    {
      onConnect: () => told.push('connected'),
      receiveBuffer: () => Buffer.alloc(1024),
      onReceive: () => told.push('received'),
      onClose: () => told.push('closed'),
    },
  );
  socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(told).toEqual([]);
});
