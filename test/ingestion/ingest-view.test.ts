import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ingestView } from '../../src/ingestion/ingest-view.ts';
import { compileRowReader } from '../../src/ingestion/row-reader.ts';
import { resolveSourceColumns } from '../../src/ingestion/source-columns.ts';
import { openSourceDatabase } from '../../src/ingestion/source-database.ts';
import { findSourceFiles } from '../../src/ingestion/source-files.ts';
import { compileSourceQueries } from '../../src/ingestion/source-queries.ts';
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

/** Materializes a file that is replaced by another one at some point: after its rows have been chosen, or while they are written. */
async function ingestReplaced(
  replacement: string,
  replacedBy: 'update' | 'write',
): Promise<{ readonly outcome: unknown; readonly written: number }> {
  const path = join(folder, 'data.parquet');
  await writeParquet(path, rowsWith());
  await writeParquet(`${path}.new`, replacement);
  const memory = createMemoryOnlineStore();
  let written = 0;
  const store: OnlineStore = {
    ...memory,
    async update(project, keep, remove) {
      await memory.update(project, keep, remove);
      if (replacedBy === 'update') await rename(`${path}.new`, path);
    },
    async write(batch, limits) {
      const isFirst = written === 0;
      written += slabOf(batch).length;
      if (replacedBy === 'write' && isFirst) await rename(`${path}.new`, path);
      return await memory.write(batch, limits);
    },
  };
  const outcome: unknown = await ingestView(
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
  ).catch((error: unknown) => error);
  return { outcome, written };
}

const REPLACED = {
  code: 'INVALID_SOURCE_DATA',
  message: expect.stringMatching(
    /feature view v: .* was replaced while it was read; run it again/,
  ) as string,
};

describe('a file that is replaced while it is materialized', () => {
  it('is refused before anything is written, though it looks the same', async () => {
    const { outcome, written } = await ingestReplaced(rowsWith({ count: '-i' }), 'update');
    expect(outcome).toMatchObject(REPLACED);
    expect(written).toBe(0);
  });

  it('is refused when its rows have been read', async () => {
    const { outcome, written } = await ingestReplaced(rowsWith(), 'write');
    expect(outcome).toMatchObject(REPLACED);
    expect(written).toBeGreaterThan(0);
  });

  it.each([
    ['text', 'i'],
    ['count', 'i::DOUBLE'],
    ['name', 'i'],
    ['size', 'i'],
  ] as const)('is told by the type of %s alone', async (name, sql) => {
    const path = join(folder, 'data.parquet');
    await writeParquet(path, rowsWith());
    const files = await findSourceFiles('data.parquet', folder, 'v');
    const database = await openSourceDatabase('v', { ...files, release: async () => {} }, 1);
    try {
      const columns = resolveSourceColumns(view, sourceOf({}), database.types);
      const reader = compileRowReader(view, columns, 3);
      const window = { startNs: 0n, endNs: 4_000_000_000n * 1_000_000_000n };
      const { joinKeys } = reader;
      const { allRows } = compileSourceQueries(database.relation, columns, joinKeys, window);
      const before = await database.connection.stream(allRows);
      reader.requireTypes(before);
      for await (const chunk of before.chunks) expect(chunk.rowCount).toBeGreaterThan(0);
      await writeParquet(path, rowsWith({ [name]: sql }));
      const rows = await database.connection.stream(allRows);
      expect(() => reader.requireTypes(rows)).toThrow(/was replaced while it was read/);
    } finally {
      await database.close();
    }
  });
});
