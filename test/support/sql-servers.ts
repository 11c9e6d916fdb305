import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';
import pg from 'pg';
import { freePort } from './redis-server.ts';
import { waitUntil } from './wait-until.ts';

const run = promisify(execFile);

const HOST = '127.0.0.1';
const START_TIMEOUT_MS = 60_000;

/** Of the user `feast` of every server; nothing that a URL could hold as it is. */
export const SQL_PASSWORD = 'p@ss/w:rd';

/** A real database process on loopback with an empty database `feast`. It dies with this process at the latest. */
export interface SqlServer {
  readonly dialect: 'postgresql' | 'mysql';
  readonly port: number;
  /** As SQLAlchemy writes it, with user and password. */
  readonly url: string;
  /** Runs statements; `?` stands for the parameters of a single one. */
  execute(sql: string, parameters?: readonly (string | number | Uint8Array)[]): Promise<void>;
  /** Ends it at once, as a crash does; what was committed is kept. */
  kill(): Promise<void>;
  /** Starts it again on its port after `kill`. */
  restart(): Promise<void>;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

/** Starts PostgreSQL and resolves when it answers. */
export async function startPostgres(): Promise<SqlServer> {
  const bin = postgresFolder();
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'sideboard-postgres-'));
  const user = await unprivileged('postgres');
  const data = join(folder, 'data');
  await writeFile(join(folder, 'password'), SQL_PASSWORD);
  if (user !== undefined) {
    await chown(folder, user.uid, user.gid);
    await chown(join(folder, 'password'), user.uid, user.gid);
  }
  const initdb = ['-D', data, '-U', 'feast', '--auth=scram-sha-256', '--no-sync', '-E', 'UTF8'];
  await run(join(bin, 'initdb'), [...initdb, `--pwfile=${join(folder, 'password')}`], {
    ...user,
    cwd: folder,
  });
  const args = ['-D', data, '-p', String(port), '-h', HOST, '-k', folder, '-c', 'fsync=off'];
  const connect = async (database: string): Promise<pg.Client> => {
    const client = new pg.Client({
      host: HOST,
      port,
      user: 'feast',
      password: SQL_PASSWORD,
      database,
    });
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  const once = async (database: string, text: string, values: unknown[] = []): Promise<void> => {
    const client = await connect(database);
    try {
      await client.query(values.length === 0 ? { text } : { text, values });
    } finally {
      await client.end();
    }
  };
  const server = await supervise({
    command: [join(bin, 'postgres'), ...args],
    folder,
    user,
    answers: () => once('postgres', 'SELECT 1'),
  });
  await once('postgres', 'CREATE DATABASE feast');
  return {
    ...server,
    dialect: 'postgresql',
    port,
    url: `postgresql://feast:${encodeURIComponent(SQL_PASSWORD)}@${HOST}:${port}/feast`,
    async execute(sql, parameters = []) {
      let next = 0;
      await once(
        'feast',
        sql.replaceAll('?', () => `$${(next += 1)}`),
        [...parameters],
      );
    },
  };
}

/** Starts MariaDB and resolves when it answers. */
export async function startMariadb(): Promise<SqlServer> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'sideboard-mariadb-'));
  const data = join(folder, 'data');
  const init = join(folder, 'init.sql');
  await writeFile(
    init,
    [
      'CREATE DATABASE IF NOT EXISTS feast;',
      `CREATE USER IF NOT EXISTS 'feast'@'127.0.0.1' IDENTIFIED BY '${SQL_PASSWORD}';`,
      "GRANT ALL ON feast.* TO 'feast'@'127.0.0.1';",
      '',
    ].join('\n'),
  );
  const asUser = process.getuid?.() === 0 ? ['--user=root'] : [];
  await run('mariadb-install-db', [
    '--no-defaults',
    ...asUser,
    `--datadir=${data}`,
    '--skip-test-db',
    '--auth-root-authentication-method=normal',
  ]);
  const mariadbd = existsSync('/usr/sbin/mariadbd') ? '/usr/sbin/mariadbd' : 'mariadbd';
  const connect = () =>
    createConnection({
      host: HOST,
      port,
      user: 'feast',
      password: SQL_PASSWORD,
      database: 'feast',
      multipleStatements: true,
    });
  const execute: SqlServer['execute'] = async (sql, parameters = []) => {
    const connection = await connect();
    connection.on('error', () => {});
    try {
      const values = parameters.map((value) =>
        value instanceof Uint8Array ? Buffer.from(value) : value,
      );
      await connection.query(sql, values);
    } finally {
      await connection.end();
    }
  };
  const server = await supervise({
    command: [
      mariadbd,
      '--no-defaults',
      ...asUser,
      `--datadir=${data}`,
      `--port=${port}`,
      `--bind-address=${HOST}`,
      `--socket=${join(folder, 's')}`,
      `--init-file=${init}`,
      '--skip-name-resolve',
      '--innodb-flush-log-at-trx-commit=1',
    ],
    folder,
    user: undefined,
    answers: () => execute('SELECT 1'),
  });
  return {
    ...server,
    dialect: 'mysql',
    port,
    url: `mysql+pymysql://feast:${encodeURIComponent(SQL_PASSWORD)}@${HOST}:${port}/feast`,
    execute,
  };
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root; the user of its package does. `undefined` = this process is not root. */
async function unprivileged(name: string): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (flag: string): Promise<number> =>
    Number((await run('id', [flag, name])).stdout);
  return { uid: await id('-u'), gid: await id('-g') };
}

function postgresFolder(): string {
  const found = globSync('/usr/lib/postgresql/*/bin').sort().at(-1);
  if (found !== undefined) return found;
  const path = process.env['PATH']?.split(':').find((folder) => existsSync(join(folder, 'initdb')));
  if (path === undefined)
    throw new Error('PostgreSQL is not installed: node scripts/ensure-servers.ts');
  return path;
}

interface Supervised {
  readonly command: readonly string[];
  readonly folder: string;
  readonly user: User | undefined;
  readonly answers: () => Promise<void>;
}

async function supervise(
  supervised: Supervised,
): Promise<Pick<SqlServer, 'kill' | 'restart' | 'stop'>> {
  const { folder } = supervised;
  let guard: ChildProcess | undefined = await start(supervised).catch(async (error: unknown) => {
    await rm(folder, { recursive: true, force: true });
    throw error;
  });
  const kill = async (): Promise<void> => {
    if (guard === undefined) return;
    const exited = new Promise((resolve) => guard?.once('exit', resolve));
    guard.stdin?.end();
    await exited;
    guard = undefined;
  };
  return {
    kill,
    async restart() {
      guard = await start(supervised);
    },
    async stop() {
      await kill();
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

/** The shell ends the server when this process closes its input, and so when this process dies. */
async function start({ command, user, folder, answers }: Supervised): Promise<ChildProcess> {
  const script = '"$@" >&2 & pid=$!; cat >/dev/null; kill -9 $pid; wait $pid';
  const guard = spawn('sh', ['-c', script, 'sh', ...command], {
    stdio: ['pipe', 'ignore', 'pipe'],
    cwd: folder,
    ...user,
  });
  let log = '';
  guard.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-2000);
  });
  try {
    await waitUntil(() => answers().then(() => true), {
      what: command[0]!,
      timeoutMs: START_TIMEOUT_MS,
    });
  } catch (error) {
    guard.stdin.end();
    throw new Error(`${command[0]} did not start: ${log}`, { cause: error });
  }
  return guard;
}
