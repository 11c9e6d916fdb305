import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { DatabaseRow, RegistryDatabase } from './registry-database.ts';
import { runInSlices, type Work } from './run-in-slices.ts';

/** A writer's transaction is waited for so long. */
const BUSY_TIMEOUT_MS = 2000;

/** Feast's registry tables in an SQLite file, opened anew for each read: another file may have taken its place. */
export function openSqliteRegistry(path: string): RegistryDatabase {
  return {
    name: `sqlite:///${path}`,
    tablesQuery: "SELECT name FROM sqlite_master WHERE type = 'table'",
    async read(work) {
      const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
      try {
        database.exec('BEGIN');
        return await work(async (sql, parameters) => {
          const statement = database.prepare(sql);
          statement.setReturnArrays(true);
          return await runInSlices(rowsOf(statement, parameters));
        });
      } finally {
        database.close();
      }
    },
    explain(error) {
      const { errstr } = error as { readonly errstr?: string };
      return errstr === undefined ? undefined : `the database cannot be read (${errstr})`;
    },
    close: async () => {},
  };
}

function* rowsOf(statement: StatementSync, parameters: readonly string[]): Work<DatabaseRow[]> {
  const rows: DatabaseRow[] = [];
  for (const row of statement.iterate(...parameters)) {
    rows.push(row as unknown as DatabaseRow);
    yield;
  }
  return rows;
}
