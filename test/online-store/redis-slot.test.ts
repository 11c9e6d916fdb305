import { Buffer } from 'node:buffer';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Redis } from 'ioredis';
import { redisSlot } from '../../src/redis/redis-slot.ts';
import { adminClient, startRedis, type RedisServer } from '../support/redis-server.ts';

let server: RedisServer;
let client: Redis;
beforeAll(async () => {
  server = await startRedis({ args: ['--cluster-enabled', 'yes'] });
  client = adminClient(server.port);
});
afterAll(async () => {
  client?.disconnect();
  await server?.stop();
});

const keyslot = async (key: Uint8Array): Promise<number> =>
  Number(await client.call('CLUSTER', 'KEYSLOT', Buffer.from(key)));

describe('redisSlot', () => {
  it.each([
    '',
    'foo',
    '{}',
    '{}x}',
    '{user}.a',
    'a{b}c{d}',
    '{',
    '}',
    '}{',
    '{{a}}',
    'x{}{a}',
    '{a',
    '\0{\xff}\0',
  ])('is what Redis says of %j', async (key) => {
    const bytes = Buffer.from(key, 'latin1');
    expect(redisSlot(bytes)).toBe(await keyslot(bytes));
  });

  it('is what Redis says of arbitrary bytes with many braces', async () => {
    const byte = fc.oneof(fc.nat(255), fc.constantFrom(0x7b, 0x7d));
    await fc.assert(
      fc.asyncProperty(fc.array(byte, { maxLength: 60 }), async (bytes) => {
        const key = Uint8Array.from(bytes);
        expect(redisSlot(key)).toBe(await keyslot(key));
      }),
      { numRuns: 500 },
    );
  });
});
