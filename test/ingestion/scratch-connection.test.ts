import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openScratchDatabase, type ScratchDatabase } from '../../src/ingestion/scratch-database.ts';

/** More than DuckDB hands over at once. */
const ROWS = 200_000;
const QUERY = `SELECT i FROM range(${ROWS}) t(i)`;

let database: ScratchDatabase;
beforeAll(async () => {
  database = await openScratchDatabase({ memoryLimit: '200MB' });
});
afterAll(() => database.close());

test('DuckDB itself ends a stream without a word', async () => {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const rows = await connection.stream(QUERY);
  let count = (await rows.fetchChunk())!.rowCount;
  await connection.run('SELECT 1');
  for (let chunk = await rows.fetchChunk(); chunk?.rowCount; chunk = await rows.fetchChunk()) {
    count += chunk.rowCount;
  }
  // Should it tell of it one day, or go on, there is no need of a guard.
  expect(count).toBeLessThan(ROWS);
  connection.closeSync();
});

test('asking something else while rows are streamed is an error, and they arrive', async () => {
  const { connection } = database;
  const { chunks } = await connection.stream(QUERY);
  let count = 0;
  const refused = /is streamed: read it to its end/;
  for await (const chunk of chunks) {
    if (count === 0) {
      await expect(connection.run('SELECT 1')).rejects.toThrow(refused);
      await expect(connection.runAndReadAll('SELECT 1')).rejects.toThrow(refused);
      await expect(connection.stream('SELECT 1')).rejects.toThrow(refused);
      await expect(connection.createAppender('nothing')).rejects.toThrow(refused);
    }
    count += chunk.rowCount;
  }
  expect(count).toBe(ROWS);
  expect((await connection.runAndReadAll('SELECT 7')).getRows()).toEqual([[7]]);
});

test('rows that are left, or never came, hold nobody up', async () => {
  const { connection } = database;
  for await (const chunk of (await connection.stream(QUERY)).chunks) {
    expect(chunk.rowCount).toBeGreaterThan(0);
    break;
  }
  await expect(connection.stream('SELECT nothing')).rejects.toThrow(/nothing/);
  expect((await connection.runAndReadAll('SELECT 7')).getRows()).toEqual([[7]]);
});
