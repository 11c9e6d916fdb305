import { spawn } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { freePort } from './redis-server.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const MARK = '=== block';

/** Someone who follows a page: an empty folder, a shell, and the commands that the page takes for granted. */
export interface Reader {
  /** Where the reader stands. */
  readonly folder: string;
  /**
   * Types the blocks into one shell, which ends at the first command that fails; what they left running ends with it. A line that
   * ends with `sideboard serve` is typed as into another terminal, and the next when it serves.
   *
   * @returns what each block printed, without space around it
   * @throws Error with what was printed when a command fails or all take longer than `patienceMs`
   */
  follow(blocks: readonly string[]): Promise<readonly string[]>;
  /** Of a port of the pages, such as 6566: the one that is free here. */
  port(shown: number): number;
  remove(): Promise<void>;
}

/** What a reader has. */
export interface ReaderOptions {
  /** Name of a command besides `sideboard` → its command line. */
  readonly commands?: ReadonlyMap<string, readonly string[]>;
  /** Ports that the pages name, other than 6566 and 6567. */
  readonly ports?: readonly number[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly patienceMs?: number;
}

/** Makes a reader. `sideboard` and `npx sideboard` are this checkout's; ports are free ones. */
export async function makeReader(options: ReaderOptions = {}): Promise<Reader> {
  const root = await mkdtemp(join(tmpdir(), 'sideboard-reader-'));
  const bin = join(root, 'bin');
  const folder = join(root, 'reader');
  await mkdir(bin);
  await mkdir(folder);
  const commands = new Map<string, readonly string[]>([
    ['sideboard', [join(ROOT, 'src', 'main.ts')]],
    ...(options.commands ?? []),
  ]);
  for (const [name, command] of commands) {
    await writeProgram(join(bin, name), `exec '${command.join("' '")}' "$@"`);
  }
  await writeProgram(join(bin, 'npx'), 'exec "$@"');
  const ports = new Map<number, number>();
  for (const shown of [6566, 6567, ...(options.ports ?? [])]) ports.set(shown, await freePort());
  const port = (shown: number): number => ports.get(shown)!;
  const path = [bin, join(ROOT, 'node_modules', '.bin'), process.env['PATH']].join(delimiter);
  const env = {
    ...(options.env ?? process.env),
    PATH: path,
    NO_COLOR: '1',
    SIDEBOARD_LOG_LEVEL: 'warn',
    SIDEBOARD_PORT: String(port(6566)),
    SIDEBOARD_ADMIN_PORT: String(port(6567)),
  };
  return {
    folder,
    port,
    follow: async (blocks) => {
      const script = blocks.map((block, i) => `printf '\\n${MARK} ${i}\\n'\n${block}`).join('\n');
      const here = `localhost:${port(6566)}`;
      const whenServing = `curl -fsS --retry 60 --retry-delay 1 --retry-connrefused ${here}/health > /dev/null`;
      const typed = script
        .replaceAll(/(?<!\d)\d{4}(?!\d)/g, (digits) => String(ports.get(Number(digits)) ?? digits))
        .replaceAll(/\bsideboard get (?!.*--server)/g, `sideboard get --server ${here} `)
        .replaceAll(/^(.*\bsideboard .*\bserve)( +#.*)?$/gm, `$1 &\n${whenServing}`);
      const output = await runShell(typed, folder, env, options.patienceMs ?? 60_000);
      return output
        .split(new RegExp(`^${MARK} \\d+$`, 'm'))
        .slice(1)
        .map((text) => text.trim());
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
}

async function writeProgram(path: string, line: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${line}\n`);
  await chmod(path, 0o755);
}

/** @throws Error with what it printed when a command fails */
async function runShell(
  script: string,
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
  patienceMs: number,
): Promise<string> {
  const child = spawn('bash', ['-euo', 'pipefail'], {
    cwd,
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  child.stdin.end(script);
  // Its servers too.
  const killAll = (): void => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // All have ended.
    }
  };
  const late = setTimeout(killAll, patienceMs);
  process.once('exit', killAll);
  const code = await new Promise((resolve) => child.once('exit', resolve));
  killAll();
  clearTimeout(late);
  process.off('exit', killAll);
  if (code !== 0) throw new Error(`the page ended with ${String(code)}:\n${output}\n${errors}`);
  return output;
}

/** Lets the reader stand in a checkout of this project, in which `examples/` has nothing generated and may be written to. */
export async function standInCheckout({ folder }: Reader): Promise<void> {
  for (const name of ['src', 'gen', 'node_modules', 'package.json']) {
    await symlink(join(ROOT, name), join(folder, name));
  }
  await cp(join(ROOT, 'examples'), join(folder, 'examples'), {
    recursive: true,
    filter: (source) => basename(source) !== 'data',
  });
}
