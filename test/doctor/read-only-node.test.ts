import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { asReadOnly, type Words } from '../../src/doctor/read-only-node.ts';

test.each([
  [['SET', 'a', 'b']],
  [['DEL', 'a']],
  [['CONFIG', 'SET', 'maxmemory', '1']],
  [['CLIENT', 'KILL', 'a']],
  [['OBJECT', Buffer.from('ENCODING')]],
  [['EVAL', 'return 1', '0']],
] as const)('%j is never sent', async (words) => {
  const redis = new Redis({ lazyConnect: true, protocol: 2 });
  const node = asReadOnly(redis, 'nowhere');
  expect(() => node.call(...(words as unknown as Words))).toThrow(/does not send/);
  await expect(node.pipeline([['DBSIZE'], words as unknown as Words])).rejects.toThrow(
    /does not send/,
  );
  expect(redis.status).toBe('wait');
  node.close();
});
