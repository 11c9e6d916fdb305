/** The parts of a URL as SQLAlchemy reads it: `dialect+driver://user:password@host:port/database?option=value`. */
export interface SqlAlchemyUrl {
  readonly dialect: string;
  readonly driver: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Without brackets for IPv6. */
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly database: string | undefined;
  readonly options: Readonly<Record<string, string>>;
}

/** SQLAlchemy's own grammar (engine/url.py): the password may hold `@` and `:`, user and database whatever is left. */
const URL =
  /^(?<dialect>\w+)(?:\+(?<driver>\w+))?:\/\/(?:(?<user>[^:/]*)(?::(?<password>[^@]*(?:@[^@/]*)*?))?@)?(?:\[(?<ipv6>[^\]/?]+)\]|(?<host>[^/:?@]+))?(?::(?<port>\d+))?(?:\/(?<database>[^?]*))?(?:\?(?<options>.*))?$/;

/** @returns `undefined` where the text is no such URL. */
export function parseSqlAlchemyUrl(text: string): SqlAlchemyUrl | undefined {
  const parts = URL.exec(text)?.groups;
  if (parts === undefined) return undefined;
  const { dialect, driver, user, password, ipv6, host, database, options } = parts;
  const port = parts['port'] === undefined ? undefined : Number(parts['port']);
  if (port !== undefined && port > 65_535) return undefined;
  try {
    return {
      dialect: dialect!.toLowerCase(),
      driver,
      user: user === undefined ? undefined : decodeURIComponent(user),
      password: password === undefined ? undefined : decodeURIComponent(password),
      host: ipv6 ?? host,
      port,
      database: database === '' ? undefined : database,
      options: Object.fromEntries(new URLSearchParams(options ?? '')),
    };
  } catch {
    // A lone % that is no escape.
    return undefined;
  }
}
