import type {
  DuckDBAppender,
  DuckDBConnection,
  DuckDBMaterializedResult,
  DuckDBResult,
  DuckDBResultReader,
  DuckDBValue,
} from '@duckdb/node-api';
import { chunksAhead } from './chunks-ahead.ts';

/** Rows that arrive while they are worked on. */
export interface StreamedRows extends Pick<DuckDBResult, 'columnTypeId'> {
  /** To be read once; when it is over, or left, the connection can be asked again. */
  readonly chunks: ReturnType<typeof chunksAhead>;
}

/**
 * The connection to a scratch database. DuckDB ends a result that is still streamed, as if it had no more rows, when its
 * connection is asked something else: rows would be missing and nobody would know. So that is an error here.
 */
export class ScratchConnection {
  readonly #connection: DuckDBConnection;
  #isStreaming = false;

  constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  /** How far the statement is that is running. */
  get progress(): DuckDBConnection['progress'] {
    return this.#connection.progress;
  }

  interrupt(): void {
    this.#connection.interrupt();
  }

  /** @throws Error (by rejection, as all that ask) while rows are streamed, and what DuckDB says */
  async run(sql: string, values?: DuckDBValue[]): Promise<DuckDBMaterializedResult> {
    return await this.#idle().run(sql, values);
  }

  async runAndReadAll(sql: string, values?: DuckDBValue[]): Promise<DuckDBResultReader> {
    return await this.#idle().runAndReadAll(sql, values);
  }

  async createAppender(table: string): Promise<DuckDBAppender> {
    return await this.#idle().createAppender(table);
  }

  async stream(sql: string): Promise<StreamedRows> {
    const connection = this.#idle();
    this.#isStreaming = true;
    const end = (): void => {
      this.#isStreaming = false;
    };
    try {
      const rows = await connection.stream(sql);
      return { columnTypeId: (i) => rows.columnTypeId(i), chunks: chunksAhead(rows, end) };
    } catch (error) {
      end();
      throw error;
    }
  }

  closeSync(): void {
    this.#connection.closeSync();
  }

  #idle(): DuckDBConnection {
    if (!this.#isStreaming) return this.#connection;
    throw new Error('a result of this connection is streamed: read it to its end, then ask');
  }
}
