/**
 * What SQLite alone takes to store rows: copies every table of a file into a new one, rows as they are, with nothing to decode
 * or to compare. A process of its own, so that it can be bound to a core.
 *
 * Arguments: the file, the file to make. Standard output: `{"seconds": …}`.
 */
import { DatabaseSync } from 'node:sqlite';

const CACHE_KIB = 65_536;
/** 32 MiB, as our store has it. */
const CHECKPOINT_PAGES = 8_192;

const [from = '', to = ''] = process.argv.slice(2);
const database = new DatabaseSync(to);
database.prepare('ATTACH ? AS source').run(from);
database.exec('PRAGMA journal_mode = WAL');
database.exec('PRAGMA synchronous = NORMAL');
database.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
database.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
const made = database
  .prepare('SELECT type, name, sql FROM source.sqlite_schema WHERE sql IS NOT NULL')
  .all() as { type: string; name: string; sql: string }[];
for (const { sql } of made) database.exec(sql);
const startedAtMs = performance.now();
for (const { type, name } of made) {
  if (type === 'table') {
    const table = `"${name.replaceAll('"', '""')}"`;
    database.exec(`INSERT INTO main.${table} SELECT * FROM source.${table}`);
  }
}
database.close();
console.log(JSON.stringify({ seconds: (performance.now() - startedAtMs) / 1000 }));
