import { Buffer } from 'node:buffer';
import { Redis, type RedisOptions } from 'ioredis';

/** Commands that change nothing; whatever is not here is never sent. Second words where a command has several. */
const ALLOWED: ReadonlySet<string> = new Set([
  'CLIENT NO-TOUCH',
  'CLUSTER COUNTKEYSINSLOT',
  'CLUSTER INFO',
  'CLUSTER NODES',
  'CONFIG GET',
  'DBSIZE',
  'EXEC',
  'HGETALL',
  'HLEN',
  'HMGET',
  'INFO',
  'MEMORY USAGE',
  'MULTI',
  'OBJECT ENCODING',
  'OBJECT FREQ',
  'PTTL',
  'RANDOMKEY',
  'READONLY',
  'SCAN',
  'TYPE',
]);

/** Where a node is and how to connect; replies come as they are. */
export type NodeTarget = Omit<RedisOptions, 'replyMapping'>;

/** A command as its words. */
export type Words = readonly [string, ...(string | Uint8Array)[]];

/** A connection to one node that sends nothing but commands that read. */
export interface ReadOnlyNode {
  /** `host:port`. */
  readonly address: string;
  /** Bytes come as `Buffer`s. @throws Error of Redis or of the connection. */
  call(...words: Words): Promise<unknown>;
  /** Sends all at once; one reply per command in their order, an `Error` in the place of what Redis refused. */
  pipeline(commands: readonly Words[]): Promise<readonly unknown[]>;
  close(): void;
}

/**
 * Connects; gives up after the connect timeout of `options`.
 *
 * @throws Error of the connection
 */
export async function connectReadOnly(options: NodeTarget, address: string): Promise<ReadOnlyNode> {
  let lastError: Error | undefined;
  const redis = new Redis({
    ...options,
    protocol: 2,
    lazyConnect: true,
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  redis.on('error', (error: Error) => {
    lastError = error;
  });
  try {
    await redis.connect();
  } catch (error) {
    redis.disconnect();
    throw lastError ?? error;
  }
  return asReadOnly(redis, address);
}

/** Sends nothing but reads through a connection. */
export function asReadOnly(redis: Redis, address: string): ReadOnlyNode {
  return {
    address,
    call(...words) {
      refuseWrites(words);
      const [name, ...rest] = words;
      return redis.callBuffer(name, ...rest.map(toArgument));
    },
    async pipeline(commands) {
      commands.forEach(refuseWrites);
      return Promise.all(
        commands.map(([name, ...rest]) =>
          redis
            .callBuffer(name, ...rest.map(toArgument))
            .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error)))),
        ),
      );
    },
    close: () => redis.disconnect(),
  };
}

function refuseWrites([name, second]: Words): void {
  const twoWords = `${name} ${typeof second === 'string' ? second : ''}`;
  if (!ALLOWED.has(name) && !ALLOWED.has(twoWords)) {
    throw new Error(`the doctor does not send ${name}`);
  }
}

function toArgument(word: string | Uint8Array): string | Buffer {
  return typeof word === 'string'
    ? word
    : Buffer.from(word.buffer, word.byteOffset, word.byteLength);
}

/** A reply that is text; empty for anything else. */
export function textOf(reply: unknown): string {
  return Buffer.isBuffer(reply) ? reply.toString('utf8') : typeof reply === 'string' ? reply : '';
}
