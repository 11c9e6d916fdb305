import type { DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api';

/** The chunks of a streamed result. The next one is read, on a thread of DuckDB, while one is worked on. @param end called when all is over */
export async function* chunksAhead(
  rows: DuckDBResult,
  end: () => void,
): AsyncGenerator<DuckDBDataChunk, void, undefined> {
  const fetch = (): Promise<DuckDBDataChunk | null> => {
    const fetched = rows.fetchChunk();
    // It may fail before anybody waits for it.
    fetched.catch(() => {});
    return fetched;
  };
  let next = fetch();
  try {
    for (let chunk = await next; chunk !== null && chunk.rowCount > 0; chunk = await next) {
      next = fetch();
      yield chunk;
    }
  } finally {
    // Nothing is closed while it is read from.
    await next.catch(() => {});
    end();
  }
}
