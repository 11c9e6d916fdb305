import { expect, test } from 'vitest';
import { readOnlyNode, type Words } from '../../src/doctor/read-only-node.ts';
import { RedisError } from '../../src/redis/redis-error.ts';

test.each([
  [['SET', 'a', 'b']],
  [['DEL', 'a']],
  [['CONFIG', 'SET', 'maxmemory', '1']],
  [['CLIENT', 'KILL', 'a']],
  [['OBJECT', Buffer.from('ENCODING')]],
  [['EVAL', 'return 1', '0']],
] as const)('%j is never sent', async (words) => {
  let sent = 0;
  const callNode = async (): Promise<null> => {
    sent++;
    return null;
  };
  const node = readOnlyNode({ callNode }, { address: 'a:1' });
  await expect(node.call(...(words as unknown as Words))).rejects.toThrow(/does not send/);
  const mixed = node.pipeline([['DBSIZE'], words]);
  await expect(mixed).rejects.toThrow(/does not send/);
  expect(sent).toBe(0);
});

test('what Redis refuses stands in the place of its reply', async () => {
  const node = readOnlyNode(
    {
      callNode: async (_node, [name]) => {
        if (name === 'SCAN') throw new RedisError('REPLY', 'NOPERM no', { address: 'a:1' });
        return 7;
      },
    },
    { address: 'a:1' },
  );
  const [size, refused] = await node.pipeline([['DBSIZE'], ['SCAN', '0']]);
  expect(size).toBe(7);
  expect(refused).toMatchObject({ code: 'ONLINE_STORE_UNAVAILABLE' });
  await expect(node.call('SCAN', '0')).rejects.toThrow('Redis at a:1 answered: NOPERM no');
});
