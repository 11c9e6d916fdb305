import { resolve } from 'node:path';
import type { ProblemList } from './configuration-error.ts';
import type { RegistryBlock } from './feast-schema.ts';
import type { SqlDatabase } from './registry-place.ts';
import { parseSqlAlchemyUrl } from './sqlalchemy-url.ts';

/** Dialects of SQLAlchemy and what serves them here; the driver that follows `+` does not matter. */
const DIALECTS: Readonly<Record<string, SqlDatabase['dialect']>> = {
  postgresql: 'postgresql',
  mysql: 'mysql',
  mariadb: 'mysql',
  sqlite: 'sqlite',
};

/** The database of an SQL registry: that of `read_path` where there is one. Messages never repeat the URL, which has a password. */
export function readSqlDatabase(
  block: RegistryBlock,
  { repoPath, pathPlace }: { readonly repoPath: string; readonly pathPlace: readonly string[] },
  problems: ProblemList,
): SqlDatabase | undefined {
  const hasReadPath = block.read_path != null && block.read_path !== '';
  const place = hasReadPath ? ['registry', 'read_path'] : pathPlace;
  const url = parseSqlAlchemyUrl(hasReadPath ? block.read_path! : block.path);
  if (url === undefined) {
    problems.addAt(
      place,
      `${place.join('.')} has to be a URL such as postgresql://user:password@host:5432/database`,
    );
    return undefined;
  }
  const dialect = DIALECTS[url.dialect];
  if (dialect === undefined) {
    problems.addAt(
      place,
      `SQL registries in ${url.dialect} are not supported, only in postgresql, mysql, mariadb and sqlite`,
    );
    return undefined;
  }
  if (hasConnectArguments(block.sqlalchemy_config_kwargs)) {
    problems.warnings.push(
      'registry.sqlalchemy_config_kwargs.connect_args are not used here: give them as options of the URL, such as ?sslmode=require',
    );
  }
  if (url.database === undefined) {
    problems.addAt(
      place,
      `the URL of the registry names no ${dialect === 'sqlite' ? 'file' : 'database'}`,
    );
    return undefined;
  }
  if (dialect === 'sqlite') return { dialect, path: resolve(repoPath, url.database) };
  const { host, port, user, password, database, options } = url;
  return { dialect, host, port, user, password, name: database, options };
}

function hasConnectArguments(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'connect_args' in value;
}
