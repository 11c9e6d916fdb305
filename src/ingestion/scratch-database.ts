import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { ScratchConnection } from './scratch-connection.ts';

const MAX_THREADS = 4;

/** An empty DuckDB in memory, which goes to a temporary folder beyond its limit. */
export interface ScratchDatabase {
  /** Its time zone is UTC. */
  readonly connection: ScratchConnection;
  /** Frees the memory and removes the temporary folder. */
  close(): Promise<void>;
}

/** What a scratch database may take. */
export interface ScratchLimits {
  /** As DuckDB writes it, such as `1GB`. */
  readonly memoryLimit: string;
  /** Folder to make the temporary folder in; by default the system's. */
  readonly temporaryDirectory?: string | undefined;
}

/** Opens a scratch database. It never loads code from the network. */
export async function openScratchDatabase(limits: ScratchLimits): Promise<ScratchDatabase> {
  // DuckDB makes it when it has to, so a killed run mostly leaves nothing behind.
  const folder = join(limits.temporaryDirectory ?? tmpdir(), `sideboard-source-${randomUUID()}`);
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: limits.memoryLimit,
    temp_directory: folder,
    threads: Math.min(MAX_THREADS, availableParallelism()).toString(),
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const connection = new ScratchConnection(await instance.connect());
  const close = async (): Promise<void> => {
    connection.closeSync();
    instance.closeSync();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await connection.run("SET TimeZone = 'UTC'");
    return { connection, close };
  } catch (error) {
    await close();
    throw error;
  }
}
