import { execFile, execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

/** Clock ticks of /proc are worth this many microseconds. */
export const CLOCK_TICK_US =
  1e6 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const PAGE_BYTES = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }));

/** Which core does what. Redis and everything that makes load share the client's. */
export interface Cores {
  readonly server: number;
  readonly client: number;
}

/** Binds this process, and whatever it starts from now on, to a core. */
export function pinSelf(core: number): void {
  pin(process.pid, core);
}

/** Binds all threads of a process to a core. */
export function pin(pid: number, core: number): void {
  execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' });
}

/** What the scheduler says of a thread, the main one for a process, microseconds since it began: it ran, and waited for a core. */
export interface Scheduled {
  readonly ranUs: number;
  readonly waitedUs: number;
}

/** Reads /proc for one process (the kernel's sched-stats.rst, "/proc/<pid>/schedstat"). */
export function scheduledOf(pid: number | string): Scheduled {
  const [ranNs = 0, waitedNs = 0] = readFileSync(`/proc/${pid}/schedstat`, 'latin1')
    .split(' ')
    .map(Number);
  return { ranUs: ranNs / 1000, waitedUs: waitedNs / 1000 };
}

/** The same of all its other threads together: helpers, which want the core of the main thread. */
export function helpersOf(pid: number): Scheduled {
  let ranUs = 0;
  let waitedUs = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    if (Number(thread) === pid) continue;
    try {
      const helper = scheduledOf(`${pid}/task/${thread}`);
      ranUs += helper.ranUs;
      waitedUs += helper.waitedUs;
    } catch {
      // It ended while we looked.
    }
  }
  return { ranUs, waitedUs };
}

/** Runs a program to its end and gives its standard output. @throws Error when it fails or takes too long */
export async function runProgram(
  program: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<string> {
  const { stdout } = await execFileAsync(program, [...args], {
    timeout: timeoutMs,
    maxBuffer: 1024 * 1024 * 1024,
  });
  return stdout;
}

/** What a process and all its descendants have used. */
export interface Usage {
  /** User and system time, that of ended children included. */
  readonly cpuUs: number;
  readonly rssBytes: number;
}

/** Reads /proc for a process and all below it. */
export function usageOf(root: number): Usage {
  const children = new Map<number, number[]>();
  const own = new Map<number, Usage>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    let stat: string;
    try {
      stat = readFileSync(`/proc/${name}/stat`, 'latin1');
    } catch {
      continue; // It ended while we looked.
    }
    // Fields after the name in brackets, which may hold spaces: state, parent, ... (proc(5)).
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const at = (index: number): number => fields[index] ?? 0;
    own.set(Number(name), {
      cpuUs: (at(11) + at(12) + at(13) + at(14)) * CLOCK_TICK_US,
      rssBytes: at(21) * PAGE_BYTES,
    });
    children.set(at(1), [...(children.get(at(1)) ?? []), Number(name)]);
  }
  let cpuUs = 0;
  let rssBytes = 0;
  const queue = [root];
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    cpuUs += own.get(pid)?.cpuUs ?? 0;
    rssBytes += own.get(pid)?.rssBytes ?? 0;
    queue.push(...(children.get(pid) ?? []));
  }
  return { cpuUs, rssBytes };
}
