import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ingestView, type IngestedView } from '../../src/ingestion/ingest-view.ts';
import { slabOf, type OnlineStore } from '../../src/online-store/online-store.ts';
import { createMemoryOnlineStore } from '../support/memory-online-store.ts';
import { fieldsOf, sourceOf, temporaryFolder, viewOf, writeParquet } from './source-fixture.ts';

const folder = await temporaryFolder();
const view = viewOf({
  joinKeys: fieldsOf({ id: 'INT64', name: 'STRING', code: 'BYTES', size: 'STRING' }),
  features: fieldsOf({ text: 'STRING', count: 'INT64' }),
});

const COLUMNS = {
  id: 'i',
  name: "'name ' || i",
  code: "('code ' || i)::BLOB",
  size: 'i::DOUBLE',
  ts: "TIMESTAMP '2024-01-01'",
  text: "'a text that is not short ' || i",
  count: 'i',
};

/** Two thousand rows, in which some columns may be others. */
function rowsWith(others: Partial<typeof COLUMNS> = {}): string {
  const columns = Object.entries({ ...COLUMNS, ...others });
  return `SELECT ${columns.map(([name, sql]) => `${sql} AS ${name}`).join(', ')} FROM range(2000) r(i)`;
}

/** Materializes a file that is replaced by another one when its rows have been chosen, and before they are read. */
async function ingestReplaced(
  replacement: string,
): Promise<{ readonly result: IngestedView; readonly keys: number }> {
  const path = join(folder, 'data.parquet');
  await writeParquet(path, rowsWith());
  await writeParquet(`${path}.new`, replacement);
  const memory = createMemoryOnlineStore();
  const keys = new Set<string>();
  const store: OnlineStore = {
    ...memory,
    async update(project, keep, remove) {
      await memory.update(project, keep, remove);
      await rename(`${path}.new`, path);
    },
    async write(batch, limits) {
      const slab = slabOf(batch);
      for (let row = 0; row < slab.length; row++) keys.add(slab.entityKey(row).toString('latin1'));
      return await memory.write(batch, limits);
    },
  };
  const result = await ingestView(
    { view, source: sourceOf({}), storedName: 'v' },
    { startNs: 0n, endNs: 4_000_000_000n * 1_000_000_000n },
    {
      project: 'p',
      store,
      entityKeyVersion: 3,
      sources: {
        repoPath: folder,
        s3: { region: 'us-east-1' },
        maxSourceBytes: 1,
      },
      batchRows: undefined,
      strict: false,
    },
    () => {},
  );
  return { result, keys: keys.size };
}

describe('a file that is replaced while it is materialized', () => {
  it('is read where it looks the same', async () => {
    const { result, keys } = await ingestReplaced(rowsWith({ count: '-i' }));
    expect(result).toMatchObject({ writtenCount: 2000, badRowCount: 0 });
    expect(keys).toBe(2000);
  });

  it.each([
    ['text', 'i'],
    ['count', 'i::DOUBLE'],
    ['name', 'i'],
    ['size', 'i'],
  ])('is refused where %s has another type', async (name, sql) => {
    await expect(ingestReplaced(rowsWith({ [name]: sql }))).rejects.toMatchObject({
      code: 'INVALID_SOURCE_DATA',
      message: expect.stringMatching(
        /feature view v: .* while it was read; run it again/,
      ) as string,
    });
  });

  it.each(['id', 'name', 'code', 'size', 'ts'] as const)(
    'has no row for a null in %s',
    async (name) => {
      const sql = `CASE WHEN i % 2 = 0 THEN ${COLUMNS[name]} END`;
      const { result, keys } = await ingestReplaced(rowsWith({ [name]: sql }));
      expect(result).toMatchObject({ writtenCount: 1000, badRowCount: 1000 });
      expect(keys).toBe(1000);
    },
  );
});
