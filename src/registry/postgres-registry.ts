import pg from 'pg';
import type { SqlDatabase } from '../config/registry-place.ts';
import { untilAborted } from './registry-database.ts';
import type { RegistryDatabase } from './registry-database.ts';

type ServerDatabase = Exclude<SqlDatabase, { readonly dialect: 'sqlite' }>;

const DEFAULT_PORT = 5432;
/** One connection, kept for the next look. */
const IDLE_TIMEOUT_MS = 60_000;

/** SQLSTATE codes that an operator can do something about. */
const REASONS: Readonly<Record<string, string>> = {
  '28P01': 'the user or the password is wrong',
  '28000': 'the user may not connect',
  '3D000': 'there is no such database',
  '42501': 'the user may not read the tables',
  '57P03': 'the database is starting or stopping',
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the host cannot be looked up',
};

/** Feast's registry tables in PostgreSQL. */
export function openPostgresRegistry(
  database: ServerDatabase,
  timeoutMs: number,
): RegistryDatabase {
  const { host, port, name } = database;
  const pool = new pg.Pool({
    connectionString: connectionString(database),
    max: 1,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    allowExitOnIdle: true,
    application_name: 'sideboard',
  });
  // An idle connection that breaks is made anew by the next read, which says what is wrong then.
  pool.on('error', () => {});
  return {
    name: `postgresql://${host ?? 'localhost'}:${port ?? DEFAULT_PORT}/${name}`,
    tablesQuery:
      'SELECT table_name FROM information_schema.tables WHERE table_schema = ANY (current_schemas(false))',
    async read(work, signal) {
      const client = await untilAborted(pool.connect(), signal);
      let isBroken = true;
      try {
        await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
        const result = await untilAborted(
          work(async (sql, parameters) => {
            let next = 0;
            const text = sql.replaceAll('?', () => `$${(next += 1)}`);
            const { rows } = await client.query<unknown[]>({
              text,
              values: [...parameters],
              rowMode: 'array',
            });
            return rows;
          }),
          signal,
        );
        await client.query('COMMIT');
        isBroken = false;
        return result;
      } finally {
        client.release(isBroken);
      }
    },
    explain: (error) => REASONS[String((error as { readonly code?: unknown }).code)],
    close: () => pool.end(),
  };
}

/** Options of libpq, such as `sslmode` and `host` (a socket's folder), mean what they mean there. */
function connectionString({ host, port, user, password, name, options }: ServerDatabase): string {
  const auth =
    user === undefined
      ? ''
      : `${encodeURIComponent(user)}${password === undefined ? '' : `:${encodeURIComponent(password)}`}@`;
  const address = host === undefined ? '' : host.includes(':') ? `[${host}]` : host;
  const query = new URLSearchParams({ ...options, uselibpqcompat: 'true' });
  return `postgresql://${auth}${address}${port === undefined ? '' : `:${port}`}/${name}?${query.toString()}`;
}
