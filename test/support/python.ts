import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const INTEROP = join(import.meta.dirname, '..', '..', '.interop');

/**
 * The Python interpreter that has the real Feast SDK (test/interop/requirements.txt).
 *
 * @throws Error when `scripts/interop` has not made it yet
 */
export function feastPython(): string {
  return interopPath('venv/bin/python');
}

/**
 * A program or file that `scripts/interop` makes, such as `bin/grpcurl`.
 *
 * @throws Error when it is not there
 */
export function interopPath(name: string): string {
  const path = join(INTEROP, name);
  if (existsSync(path)) return path;
  throw new Error(`${path} is missing: run \`bash scripts/interop --setup\` once`);
}

const execFileAsync = promisify(execFile);

/** Limits of `runPython`, and what the script may see. */
export interface PythonOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Default 300 000: the first import of the SDK takes seconds on a busy machine. */
  readonly timeoutMs?: number;
}

/**
 * Runs a script with the real Feast SDK and gives its standard output.
 *
 * @throws Error with what the script wrote to its standard error when it fails
 */
export async function runPython(
  script: string,
  args: readonly string[],
  { cwd, env = {}, timeoutMs = 300_000 }: PythonOptions = {},
): Promise<string> {
  const { stdout } = await execFileAsync(feastPython(), [script, ...args], {
    cwd,
    timeout: timeoutMs,
    maxBuffer: 512 * 1024 * 1024,
    env: {
      ...process.env,
      // No reports home, and the time zone that CI has: Feast writes local time to SQLite.
      FEAST_USAGE: 'False',
      TZ: 'UTC',
      PYTHONWARNINGS: 'ignore',
      ...env,
    },
  });
  return stdout;
}
