import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { identifyFile, readSettledFile } from '../../src/registry/read-settled-file.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-settled-'));
  path = join(folder, 'file');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a file is read whole, under the identity that a look gives it', async () => {
  writeFileSync(path, 'content');
  const { bytes, identity } = await readSettledFile(path);
  expect(Buffer.from(bytes).toString()).toBe('content');
  expect(identity).toBe(await identifyFile(path));
});

test('a file that was just written is read when a moment has passed, with what was added meanwhile', async () => {
  writeFileSync(path, 'half');
  const reading = readSettledFile(path);
  const writtenAtMs = Date.now();
  writeFileSync(path, 'the whole');
  expect(Buffer.from((await reading).bytes).toString()).toBe('the whole');
  // The file's time may lag behind by a tick of the kernel.
  expect(Date.now() - writtenAtMs).toBeGreaterThanOrEqual(35);
});

test('a time that lies in the future holds nobody up', async () => {
  writeFileSync(path, 'content');
  const behind = (): number => Date.now() - 3_600_000;
  expect((await readSettledFile(path, behind)).bytes).toHaveLength(7);
});

test('a file that never rests is read all the same', async () => {
  writeFileSync(path, 'content');
  let second = 0;
  const restless = setInterval(() => utimesSync(path, (second += 1), 0), 1);
  try {
    expect((await readSettledFile(path)).bytes).toHaveLength(7);
  } finally {
    clearInterval(restless);
  }
});

test('equal size and time do not make the same content', async () => {
  writeFileSync(path, 'one');
  utimesSync(path, 1, 1);
  const { identity } = await readSettledFile(path);
  writeFileSync(path, 'two');
  utimesSync(path, 1, 1);
  expect(await identifyFile(path)).not.toBe(identity);
});

test('a file that is not there is an error', async () => {
  await expect(readSettledFile(path)).rejects.toMatchObject({ code: 'ENOENT' });
});
