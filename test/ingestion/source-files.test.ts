import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { findSourceFiles } from '../../src/ingestion/source-files.ts';
import { temporaryFolder } from './source-fixture.ts';

let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  await mkdir(join(folder, 'parts/day=1'), { recursive: true });
  await mkdir(join(folder, 'parts/_temporary'));
  await mkdir(join(folder, 'csv'));
  await mkdir(join(folder, 'mixed'));
  for (const name of [
    'one.parquet',
    'no-extension',
    'odd[1].parquet',
    'parts/b.parquet',
    'parts/a.parquet',
    'parts/day=1/c.parquet',
    'parts/_SUCCESS',
    'parts/.a.parquet.crc',
    'parts/_temporary/d.parquet',
    'parts/notes.csv',
    'csv/x.csv',
    'csv/y.csv.gz',
    'mixed/x.csv',
    'mixed/y.parquet',
  ]) {
    await writeFile(join(folder, name), '');
  }
});

describe('findSourceFiles', () => {
  test.each([
    ['one.parquet', 'parquet', ['one.parquet']],
    ['./one.parquet', 'parquet', ['one.parquet']],
    ['no-extension', 'parquet', ['no-extension']],
    ['odd[1].parquet', 'parquet', ['odd[1].parquet']],
    ['parts', 'parquet', ['parts/a.parquet', 'parts/b.parquet', 'parts/day=1/c.parquet']],
    ['parts/*.parquet', 'parquet', ['parts/a.parquet', 'parts/b.parquet']],
    ['parts/**/c.parquet', 'parquet', ['parts/day=1/c.parquet']],
    ['csv', 'csv', ['csv/x.csv', 'csv/y.csv.gz']],
  ])('%s is %s', async (uri, format, paths) => {
    expect(await findSourceFiles(uri, folder, 'v')).toEqual({
      format,
      paths: paths.map((path) => join(folder, path)),
    });
  });

  test('takes absolute paths and file URLs as they are', async () => {
    const path = join(folder, 'one.parquet');
    expect((await findSourceFiles(path, '/elsewhere', 'v')).paths).toEqual([path]);
    const url = pathToFileURL(path).href;
    expect((await findSourceFiles(url, '/elsewhere', 'v')).paths).toEqual([path]);
  });

  test('says where it looked for what is not there', async () => {
    await expect(findSourceFiles('gone.parquet', folder, 'v')).rejects.toThrow(
      `feature view v: its source gone.parquet has no files: nothing is at ${join(folder, 'gone.parquet')}`,
    );
    await expect(findSourceFiles('gone/*.parquet', folder, 'v')).rejects.toThrow('has no files');
  });

  test('refuses a mixture of formats', async () => {
    await expect(findSourceFiles('mixed/*', folder, 'v')).rejects.toThrow('mixes Parquet and CSV');
  });

  test.each(['gs://bucket/a', 'hdfs://host/a'])(
    'refuses %s and names the command of Feast that reads it',
    async (uri) => {
      await expect(findSourceFiles(uri, folder, 'v')).rejects.toMatchObject({
        code: 'UNSUPPORTED_OPERATION',
        message: expect.stringContaining('feast materialize-incremental') as unknown,
      });
    },
  );
});
