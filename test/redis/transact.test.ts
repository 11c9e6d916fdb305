import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { callNode, callTogether } from '../../src/redis/call-command.ts';
import { RedisConnection } from '../../src/redis/redis-connection.ts';
import type { RedisSocket } from '../../src/redis/redis-runtime.ts';
import { connectionOptions } from './simulated-client.ts';
import { SimulatedRedis } from './simulated-redis.ts';
import { SimulatedWorld } from './simulated-world.ts';

/** More than goes into one write. */
const LARGE = 'x'.repeat(1024 * 1024);

test('a transaction that was begun is sent to its end, though nobody waits for it any more', async () => {
  const world = new SimulatedWorld();
  const server = new SimulatedRedis(world, 'a:1');
  let isInside = false;
  server.handler = ([word]) => {
    const name = String(word);
    if (name === 'EXEC') isInside = false;
    else if (isInside) return '+QUEUED\r\n';
    else if (name === 'MULTI') isInside = true;
    return null;
  };
  const connection = new RedisConnection(
    { host: 'a', port: 1 },
    connectionOptions(slowToWrite(world, 50), { maxPendingBytes: 8 * LARGE.length }),
  );
  await world.until(callNode(connection, ['PING']));
  const words = [['MULTI'], ['SET', 'k', LARGE], ['SET', 'l', LARGE], ['EXEC']];
  const late = callTogether(connection, words, 20);
  await expect(world.until(late)).rejects.toMatchObject({ code: 'NO_ANSWER' });
  expect(await world.until(callNode(connection, ['SET', 'm', '1']))).toBe('OK');
  expect(server.heard).toEqual([...words.map((each) => each.join(' ')), 'SET m 1']);
});

/** A network that takes so long to take a large write. */
function slowToWrite(world: SimulatedWorld, delayMs: number): SimulatedWorld {
  const connect = world.connect.bind(world);
  world.connect = (target, handlers): RedisSocket => {
    const socket = connect(target, handlers);
    return {
      write: (bytes, onWritten) =>
        socket.write(Buffer.from(bytes), () => {
          const tookMs = bytes.length > LARGE.length ? delayMs : 0;
          world.setTimer(onWritten, tookMs);
        }),
      destroy: () => socket.destroy(),
    };
  };
  return world;
}
