/**
 * Makes sure that the servers are there that tests start for themselves: `redis-server`, and PostgreSQL and MariaDB for the
 * SQL registry. Installs what is missing with apt, as root or with passwordless sudo, and otherwise prints the commands that
 * do. Exits 0 when all are there.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';

/** A server: its package in Debian, and how to tell that it is installed. */
interface Server {
  readonly debian: string;
  readonly fedora: string;
  readonly brew: string;
  readonly isInstalled: () => boolean;
}

const SERVERS: readonly Server[] = [
  {
    debian: 'redis-server',
    fedora: 'redis',
    brew: 'redis',
    isInstalled: () => succeeds('redis-server', '--version'),
  },
  {
    debian: 'postgresql',
    fedora: 'postgresql-server',
    brew: 'postgresql',
    // Debian keeps it off the PATH.
    isInstalled: () =>
      succeeds('initdb', '--version') || globSync('/usr/lib/postgresql/*/bin/initdb').length > 0,
  },
  {
    debian: 'mariadb-server',
    fedora: 'mariadb-server',
    brew: 'mariadb',
    isInstalled: () => succeeds('mariadbd', '--version') || existsSync('/usr/sbin/mariadbd'),
  },
];

function succeeds(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** What to put before a command to run it as root; `undefined` when there is no way without a password. */
function rootPrefix(): readonly string[] | undefined {
  if (process.getuid?.() === 0) {
    return [];
  }
  return succeeds('sudo', '-n', 'true') ? ['sudo', '-n'] : undefined;
}

function installWithApt(prefix: readonly string[], packages: readonly string[]): void {
  // The packages start servers of their own on the usual ports where they can; the policy file of a container, or a taken
  // port, may forbid that, and the tests do not use them.
  const apt = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get'];
  const run = (...args: readonly string[]): boolean => {
    const [command, ...rest] = [...apt, ...args];
    return spawnSync(command!, rest, { stdio: 'inherit' }).status === 0;
  };
  const install = ['install', '-y', '--no-install-recommends', ...packages];
  // The package lists of a fresh container are empty; those of a workstation need no update.
  if (!run(...install) && run('update')) run(...install);
}

function missingServers(): readonly Server[] {
  return SERVERS.filter(({ isInstalled }) => !isInstalled());
}

function instructions(missing: readonly Server[]): string {
  const names = (of: 'debian' | 'fedora' | 'brew'): string =>
    missing.map((server) => server[of]).join(' ');
  return `${names('debian')}: needed by the tests and not installed. Install with one of:

  Debian, Ubuntu:  sudo apt-get install -y ${names('debian')}
  Fedora:          sudo dnf install -y ${names('fedora')}
  macOS:           brew install ${names('brew')}
`;
}

const missing = missingServers();
if (missing.length > 0) {
  const prefix = succeeds('apt-get', '--version') ? rootPrefix() : undefined;
  if (prefix !== undefined) {
    installWithApt(
      prefix,
      missing.map(({ debian }) => debian),
    );
  }
  const left = missingServers();
  if (left.length > 0) {
    process.stderr.write(instructions(left));
    process.exitCode = 1;
  }
}
