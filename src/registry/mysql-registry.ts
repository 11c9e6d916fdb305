import { readFile } from 'node:fs/promises';
import { createConnection } from 'mysql2/promise';
import type { Connection, ConnectionOptions } from 'mysql2/promise';
import type { SqlDatabase } from '../config/registry-place.ts';
import { untilAborted } from './registry-database.ts';
import type { DatabaseRow, RegistryDatabase } from './registry-database.ts';

type ServerDatabase = Exclude<SqlDatabase, { readonly dialect: 'sqlite' }>;

const DEFAULT_PORT = 3306;

/** Codes that an operator can do something about. */
const REASONS: Readonly<Record<string, string>> = {
  ER_ACCESS_DENIED_ERROR: 'the user or the password is wrong',
  ER_DBACCESS_DENIED_ERROR: 'the user may not read the database',
  ER_TABLEACCESS_DENIED_ERROR: 'the user may not read the tables',
  ER_BAD_DB_ERROR: 'there is no such database',
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the host cannot be looked up',
};

/** Feast's registry tables in MySQL or MariaDB. One connection is kept; one that broke is made anew by the next read. */
export function openMysqlRegistry(database: ServerDatabase, timeoutMs: number): RegistryDatabase {
  let open: Promise<Connection> | undefined;
  const connect = (): Promise<Connection> => {
    open ??= openConnection(database, timeoutMs);
    return open;
  };
  const giveUp = (): void => {
    void open?.then((connection) => connection.destroy()).catch(() => {});
    open = undefined;
  };
  return {
    name: `mysql://${database.host ?? 'localhost'}:${database.port ?? DEFAULT_PORT}/${database.name}`,
    tablesQuery: 'SELECT table_name FROM information_schema.tables WHERE table_schema = database()',
    async read(work, signal) {
      try {
        const connection = await untilAborted(connect(), signal);
        await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
        const result = await untilAborted(
          work(async (sql, parameters) => {
            const [rows] = await connection.query({ sql, rowsAsArray: true, timeout: timeoutMs }, [
              ...parameters,
            ]);
            return rows as unknown as DatabaseRow[];
          }),
          signal,
        );
        await connection.query('COMMIT');
        return result;
      } catch (error) {
        giveUp();
        throw error;
      }
    },
    explain: (error) => REASONS[String((error as { readonly code?: unknown }).code)],
    async close() {
      giveUp();
    },
  };
}

async function openConnection(
  { host, port, user, password, name, options }: ServerDatabase,
  timeoutMs: number,
): Promise<Connection> {
  const settings: ConnectionOptions = {
    host: host ?? 'localhost',
    port: port ?? DEFAULT_PORT,
    database: name,
    connectTimeout: timeoutMs,
    enableKeepAlive: true,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(options['unix_socket'] === undefined ? {} : { socketPath: options['unix_socket'] }),
  };
  const ssl = await readSsl(options);
  const connection = await createConnection(ssl === undefined ? settings : { ...settings, ssl });
  // Told to nobody: the read that is under way, or the next one, fails by itself.
  connection.on('error', () => {});
  return connection;
}

/** The options of PyMySQL and mysqlclient: `ssl_ca`, `ssl_cert`, `ssl_key`, `ssl_verify_cert`. */
async function readSsl(
  options: Readonly<Record<string, string>>,
): Promise<ConnectionOptions['ssl'] | undefined> {
  const { ssl_ca: ca, ssl_cert: cert, ssl_key: key, ssl_verify_cert: verify } = options;
  if (ca === undefined && cert === undefined) return undefined;
  return {
    ...(ca === undefined ? {} : { ca: await readFile(ca) }),
    ...(cert === undefined ? {} : { cert: await readFile(cert) }),
    ...(key === undefined ? {} : { key: await readFile(key) }),
    rejectUnauthorized: ca !== undefined && verify !== 'false',
  };
}
