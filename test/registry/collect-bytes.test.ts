import { expect, test } from 'vitest';
import { collectBytes } from '../../src/registry/collect-bytes.ts';

async function* streamOf(...chunks: readonly (readonly number[])[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Uint8Array.from(chunk);
}

test.each([
  ['the announced length', 5],
  ['fewer bytes than were announced', 9],
  ['more bytes than were announced', 2],
  ['a length that nobody announced', undefined],
  ['a length that was announced as none', 0],
])('a stream of %s is read to its end', async (_, length) => {
  expect([...(await collectBytes(streamOf([1], [2, 3, 4], [], [5]), length))]).toEqual([
    1, 2, 3, 4, 5,
  ]);
});

test('an empty stream is no bytes', async () => {
  expect(await collectBytes(streamOf(), 3)).toHaveLength(0);
});

test('a stream that breaks is an error, whatever came before', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(1);
    throw new Error('reset');
  }
  await expect(collectBytes(broken(), 1)).rejects.toThrow('reset');
});
