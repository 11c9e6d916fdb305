import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);
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

/**
 * The command line of a program that `pip` installed. Not the program itself: its first line has the path of the folder that it
 * was installed in, which may have moved since.
 *
 * @param name such as `feast`
 * @param environment of `scripts/interop`
 */
export function pythonProgram(name: string, environment = 'venv'): readonly [string, string] {
  return [interopPath(`${environment}/bin/python`), interopPath(`${environment}/bin/${name}`)];
}

/** Limits of `runPython`, and what the script may see. */
export interface PythonOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** For its standard input; nothing by default. */
  readonly input?: string;
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
  { cwd, env = {}, input = '', timeoutMs = 300_000 }: PythonOptions = {},
): Promise<string> {
  return runProgram(feastPython(), [script, ...args], {
    cwd,
    input,
    timeoutMs,
    env: { ...pythonEnvironment(), ...env },
  });
}

/** What every Python process of the tests sees: no reports home, and UTC, since Feast writes local time to SQLite. */
export function pythonEnvironment(): Record<string, string | undefined> {
  return { ...process.env, FEAST_USAGE: 'False', TZ: 'UTC', PYTHONWARNINGS: 'ignore' };
}

/** How to run a program to its end. */
export interface ProgramOptions {
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  readonly timeoutMs?: number;
}

/** Runs a program and gives its standard output. @throws Error with its standard error when it fails */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd, env, input = '', timeoutMs = 60_000 }: ProgramOptions = {},
): Promise<string> {
  const running = execFileAsync(program, [...args], {
    cwd,
    env,
    timeout: timeoutMs,
    maxBuffer: 512 * 1024 * 1024,
  });
  running.child.stdin?.end(input);
  const { stdout } = await running;
  return stdout;
}
