import type { RedisRuntime, RedisTlsOptions } from './redis-runtime.ts';

/** Who to be towards Redis. */
export interface RedisCredentials {
  /** Absent = the default user. */
  readonly username?: string | undefined;
  /** Absent = no authentication. */
  readonly password?: string | undefined;
  /** How long they are good for from now, as tokens are; absent = for ever. */
  readonly lifetimeMs?: number | undefined;
}

/** Asked at each connect, and before credentials expire on connections that stand. */
export type CredentialsProvider = () => Promise<RedisCredentials>;

/** What every connection to a node has in common. */
export interface ConnectionOptions {
  readonly runtime: RedisRuntime;
  readonly credentials: CredentialsProvider;
  readonly tls: false | RedisTlsOptions;
  /** Always 0 for a cluster. */
  readonly database: number;
  /** As `CLIENT LIST` shows it. */
  readonly clientName: string;
  readonly libraryName: string;
  readonly libraryVersion: string;
  /** For the TCP and TLS handshakes. */
  readonly connectTimeoutMs: number;
  /** A connection on which nothing arrives for so long while replies are due is given up. */
  readonly silenceTimeoutMs: number;
  readonly keepAliveMs: number;
  /** Commands of one connection that wait to be sent or answered, and bytes that wait to be sent; beyond them one more is refused. */
  readonly maxPendingCommands: number;
  readonly maxPendingBytes: number;
  /** A connection that broke is made again when a command asks for it, not before. */
  readonly isOnDemand?: boolean;
}
