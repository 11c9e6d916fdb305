/**
 * Makes sure that `redis-server` is there for the tests that start real ones: installs it with apt as root or with
 * passwordless sudo, and otherwise prints the one command that does. Exits 0 when it is there.
 */
import { spawnSync } from 'node:child_process';

const INSTRUCTIONS = `redis-server is needed by the tests and is not installed. Install it with one of:

  Debian, Ubuntu:  sudo apt-get install -y redis-server
  Fedora:          sudo dnf install -y redis
  macOS:           brew install redis
`;

function succeeds(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function isInstalled(): boolean {
  return succeeds('redis-server', '--version');
}

/** What to put before a command to run it as root; `undefined` when there is no way without a password. */
function rootPrefix(): readonly string[] | undefined {
  if (process.getuid?.() === 0) {
    return [];
  }
  return succeeds('sudo', '-n', 'true') ? ['sudo', '-n'] : undefined;
}

function installWithApt(prefix: readonly string[]): boolean {
  // The package starts a server of its own on port 6379 where it can; the policy file of a container, or a taken port, may
  // forbid that, and the tests do not use it.
  const apt = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get'];
  const run = (...args: readonly string[]): boolean => {
    const [command, ...rest] = [...apt, ...args];
    return spawnSync(command!, rest, { stdio: 'inherit' }).status === 0;
  };
  const install = ['install', '-y', '--no-install-recommends', 'redis-server'];
  // The package lists of a fresh container are empty; those of a workstation need no update.
  return run(...install) || (run('update') && run(...install));
}

if (!isInstalled()) {
  const prefix = succeeds('apt-get', '--version') ? rootPrefix() : undefined;
  if (prefix === undefined || !installWithApt(prefix) || !isInstalled()) {
    process.stderr.write(INSTRUCTIONS);
    process.exitCode = 1;
  }
}
