/** One row of a result: the columns in their order. Text is string, bytes are bytes; numbers are what the driver makes of them. */
export type DatabaseRow = readonly unknown[];

/** Runs one statement; each `?` stands for the next parameter. */
export type DatabaseQuery = (sql: string, parameters: readonly string[]) => Promise<DatabaseRow[]>;

/** A database with Feast's registry tables. */
export interface RegistryDatabase {
  /** `postgresql://host:5432/name`: without user and password. */
  readonly name: string;
  /**
   * Runs queries that all see one state and change nothing.
   *
   * @param signal ends it; the connection is given up then.
   */
  read<T>(work: (query: DatabaseQuery) => Promise<T>, signal: AbortSignal): Promise<T>;
  /** SQL without parameters that gives one row per table of the database, its name. */
  readonly tablesQuery: string;
  /** Why the driver failed, in a few words; `undefined` = it is none of the reasons that are known. */
  explain(error: unknown): string | undefined;
  close(): Promise<void>;
}

/** Waits for a promise until the signal comes. @throws the signal's reason */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let stop!: () => void;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
