import { Buffer } from 'node:buffer';
import { expect, it } from 'vitest';
import { startScratchRedis } from '../../src/doctor/scratch-redis.ts';

it('copies hashes in both encodings, as often as asked for, with all that is in them', async () => {
  const hashes = [40, 3].map((width) =>
    Array.from({ length: width }, (_, i) => ({
      name: Buffer.from(`field ${i}`),
      value: Buffer.from(`value ${i} of ${width}`),
    })),
  );
  const scratch = (await startScratchRedis())!;
  try {
    const { packed, unpacked } = await scratch.copy(hashes, 101, () => false);
    const { node } = scratch;
    for (const [keys, encoding] of [
      [packed, /^(?:listpack|ziplist)$/],
      [unpacked, /^hashtable$/],
    ] as const) {
      expect(new Set(keys).size).toBe(101);
      for (const [i, key] of keys.entries()) {
        expect(String(await node.call('OBJECT', 'ENCODING', key))).toMatch(encoding);
        const fields = hashes[i % hashes.length]!;
        expect(await node.call('HLEN', key)).toBe(fields.length);
        const values = await node.call('HMGET', key, ...fields.map(({ name }) => name));
        expect(values).toEqual(fields.map(({ value }) => value));
      }
    }
  } finally {
    await scratch.close();
  }
});
