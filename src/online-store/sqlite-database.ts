import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  cancelled,
  deadlineExceeded,
  isSideboardError,
  onlineStoreUnavailable,
} from '../errors.ts';
import type { ReadOptions } from './online-store.ts';

/** How long SQLite itself waits for another process's lock: it blocks this whole process meanwhile. */
const BUSY_TIMEOUT_MS = 10;
const BUSY_RETRY_MS = 5;
/** Without a deadline, how long another process may hold the database before that is a failure. */
const MAX_BUSY_MS = 30_000;
/** How often the file is looked at: Feast's teardown and a copied-in file replace it. */
const REPLACED_CHECK_MS = 1_000;

/** A database file that may be locked by another process for a moment, or replaced. */
export interface SqliteDatabase {
  readonly path: string;
  /**
   * Runs `work` on the open database, again while another process holds a lock, and on a newly opened one when the file
   * was replaced.
   *
   * @throws SideboardError ONLINE_STORE_UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED, and whatever `work` throws as one.
   */
  run<T>(options: ReadOptions, work: (database: DatabaseSync) => T): Promise<T>;
  close(): void;
}

/** Opens the file, created with its folder where it is missing; a file that may not be written is opened for reading. */
export function openSqliteDatabase(path: string): SqliteDatabase {
  let open = openAtStart(path);
  let isClosed = false;
  return {
    path,
    async run(options, work) {
      const startedAtMs = performance.now();
      for (;;) {
        throwIfOver(options);
        if (isClosed) {
          throw onlineStoreUnavailable('SQLite is closed');
        }
        try {
          if (performance.now() - open.checkedAtMs > REPLACED_CHECK_MS) {
            open = reopenIfReplaced(path, open);
          }
          return work(open.database);
        } catch (error) {
          if (!isBusy(error) || performance.now() - startedAtMs > MAX_BUSY_MS) {
            throw asStoreError(path, error);
          }
        }
        await sleep(BUSY_RETRY_MS);
      }
    },
    close() {
      if (!isClosed) {
        isClosed = true;
        open.database.close();
      }
    },
  };
}

/** @throws SideboardError where the deadline has passed or the caller went away. */
export function throwIfOver({ deadlineAtMs, signal }: ReadOptions): void {
  if (signal?.aborted === true) {
    throw cancelled();
  }
  if (performance.now() >= deadlineAtMs) {
    throw deadlineExceeded('while reading or writing the online store');
  }
}

interface OpenFile {
  readonly database: DatabaseSync;
  /** Device and inode, which tell this file from another one put in its place. */
  readonly identity: string;
  readonly checkedAtMs: number;
}

/** Whoever starts something on a file may know which. */
function openAtStart(path: string): OpenFile {
  try {
    return openFile(path);
  } catch (error) {
    throw isSqliteError(error)
      ? onlineStoreUnavailable(`SQLite file ${path}: ${error.message}`, error)
      : error;
  }
}

function openFile(path: string): OpenFile {
  mkdirSync(dirname(path), { recursive: true });
  const database = openForWritingOrReading(path);
  return { database, identity: fileIdentity(path), checkedAtMs: performance.now() };
}

function openForWritingOrReading(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  } catch (error) {
    if (fileIdentity(path) === '') {
      throw error;
    }
    return new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, readOnly: true });
  }
}

function reopenIfReplaced(path: string, open: OpenFile): OpenFile {
  if (fileIdentity(path) === open.identity) {
    return { ...open, checkedAtMs: performance.now() };
  }
  const reopened = openFile(path);
  open.database.close();
  return reopened;
}

/** Empty where there is no file. */
function fileIdentity(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? '' : `${found.dev}:${found.ino}`;
}

/** SQLITE_BUSY and SQLITE_LOCKED, whatever their extension. */
function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === 'number' && ((code & 0xff) === 5 || (code & 0xff) === 6);
}

/** Callers see the message; the path of the file is in the cause, which the log keeps. */
function asStoreError(path: string, error: unknown): unknown {
  if (isSideboardError(error) || !isSqliteError(error)) {
    return error;
  }
  const missing = /^no such table: (.*)$/.exec(error.message);
  const detail =
    missing === null
      ? `SQLite: ${withoutPath(error, path)}${remedyOf(error)}`
      : `SQLite has no table ${missing[1]}: create it with sideboard apply (or feast apply), then materialize`;
  const cause = new Error(`SQLite file ${path}: ${error.message}`, { cause: error });
  return onlineStoreUnavailable(detail, cause);
}

function remedyOf(error: Error): string {
  return (error as { errcode?: unknown }).errcode === CANNOT_OPEN
    ? '; this process has to be allowed to write to the folder of the database, even to read it'
    : '';
}

/** SQLITE_CANTOPEN: a database in WAL mode is opened with files beside it, also by those who read. */
const CANNOT_OPEN = 14;

/** Errors of the file system name the path that they are about. */
function withoutPath({ message }: Error, path: string): string {
  return message.replaceAll(path, 'its file').replaceAll(dirname(path), 'its folder');
}

function isSqliteError(error: unknown): error is Error {
  const code = (error as { code?: unknown } | undefined)?.code;
  return (
    error instanceof Error && typeof code === 'string' && /^(?:ERR_SQLITE|E[A-Z]+$)/.test(code)
  );
}
