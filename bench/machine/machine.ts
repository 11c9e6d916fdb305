import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { join } from 'node:path';

/** What the figures of a run were taken on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  /** Processes that wanted to run in the minute before; absent in results of earlier days. */
  readonly load?: number;
  /** Name → version of what took part. */
  readonly versions: Readonly<Record<string, string>>;
  /** Short commit, `+` when the tree had changes. */
  readonly commit: string;
}

/** Describes this machine and the programs on it. */
export function describeMachine(): Machine {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: os.release(),
    load: Math.round(os.loadavg()[0]! * 10) / 10,
    versions: {
      node: process.versions.node,
      redis: firstMatch('redis-server', ['--version'], /v=(\S+)/),
      h2load: firstMatch('h2load', ['--version'], /nghttp2\/(\S+)/),
    },
    commit: commit(),
  };
}

function firstMatch(program: string, args: readonly string[], pattern: RegExp): string {
  try {
    return pattern.exec(execFileSync(program, [...args], { encoding: 'utf8' }))?.[1] ?? 'unknown';
  } catch {
    return 'absent';
  }
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: join(import.meta.dirname, '..', '..'),
      encoding: 'utf8',
    }).trim();
  try {
    const changed = git('status', '--porcelain', '--', 'src', 'gen', 'package.json') !== '';
    return git('rev-parse', '--short', 'HEAD') + (changed ? '+' : '');
  } catch {
    return 'unknown';
  }
}
