import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load-config.ts';
import { startServer, type RunningServer } from '../../src/server.ts';

/** A feature repository in a folder of its own. */
export interface RepositoryFiles {
  /** Text of `feature_store.yaml`. */
  readonly yaml: string;
  /** Path in the folder → contents. */
  readonly files: Readonly<Record<string, Uint8Array>>;
}

export interface RepositoryServer {
  readonly port: number;
  /** Of the metrics and probes. */
  readonly adminPort: number;
  /** Ends the server and removes the folder. */
  close(): Promise<void>;
}

/**
 * Starts a server in this process on the repository in a folder, silent and on ports of its own.
 *
 * @param settings of the block `sideboard:`
 */
export function serveRepository(
  repoPath: string,
  settings: Readonly<Record<string, unknown>> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<RunningServer> {
  const overrides = { port: 0, admin_port: 0, log_level: 'silent', ...settings };
  return startServer(loadConfig({ repoPath, overrides, env }));
}

/**
 * Starts a server in this process on a repository, as `sideboard serve` does.
 *
 * @param settings of the block `sideboard:`
 * @throws SideboardError INVALID_CONFIGURATION where it is configured for what is not served
 */
export async function startRepositoryServer(
  { yaml, files }: RepositoryFiles,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<RepositoryServer> {
  const repoPath = mkdtempSync(join(tmpdir(), 'sideboard-repository-'));
  const remove = (): void => rmSync(repoPath, { recursive: true, force: true });
  try {
    writeFileSync(join(repoPath, 'feature_store.yaml'), yaml);
    for (const [name, contents] of Object.entries(files)) {
      writeFileSync(join(repoPath, name), contents);
    }
    const server = await serveRepository(repoPath, settings);
    return {
      port: server.address.port,
      adminPort: server.adminAddress.port,
      close: async () => {
        await server.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}
