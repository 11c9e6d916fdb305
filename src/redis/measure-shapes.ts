import { callTogether } from './call-command.ts';
import { keyPartLength, writeKeyPart } from './encode-command.ts';
import type { HashFields, ReadShape } from './hash-fields.ts';
import {
  readFieldsReply,
  readPairsReply,
  ReplyProgress,
  type HashCells,
} from './read-hash-reply.ts';
import type { RedisCommand } from './redis-command.ts';
import type { RedisConnection } from './redis-connection.ts';
import { RedisError } from './redis-error.ts';
import type { ReplyReader } from './reply-reader.ts';

/** What reading some hashes costs each way, and what they are. */
export interface ShapeMeasurement {
  /** Milliseconds per hash, from sending to having read the reply, the round trip taken off. */
  readonly hmgetMs: number;
  readonly hgetallMs: number;
  /** Fields that a hash has, on average. */
  readonly storedFields: number;
  /** As Redis says of one of them: `listpack`, `ziplist` (packed), `hashtable`. */
  readonly encoding: string;
}

/** Both ways take turns, and the quickest of each counts: what else the machines do only adds. */
const ROUNDS = 3;
/** A lone round trip is looked at so many times for its quickest. */
const PINGS = 3;
const TIMEOUT_MS = 5_000;

/**
 * Reads the same hashes in both shapes and takes the time.
 *
 * @param keys of hashes at the node of the connection.
 * @returns `undefined` where none of them exists: there is nothing to learn.
 * @throws RedisError
 */
export async function measureShapes(
  connection: RedisConnection,
  fields: HashFields,
  keys: readonly Uint8Array[],
): Promise<ShapeMeasurement | undefined> {
  const lengths = await callTogether(
    connection,
    keys.map((key) => ['HLEN', key]),
    TIMEOUT_MS,
  );
  const there = keys.filter((_, i) => Number(lengths[i]) > 0);
  if (there.length === 0) {
    return undefined;
  }
  const total = lengths.reduce<number>((sum, reply) => sum + Number(reply), 0);
  const [encoding] = await callTogether(
    connection,
    [['OBJECT', 'ENCODING', there[0]!]],
    TIMEOUT_MS,
  );
  const { runtime } = connection;
  let pingMs = Infinity;
  for (let i = 0; i < PINGS; i++) {
    const startedAtMs = runtime.now();
    await callTogether(connection, [['PING']], TIMEOUT_MS);
    pingMs = Math.min(pingMs, runtime.now() - startedAtMs);
  }
  const best = { hmget: Infinity, hgetall: Infinity };
  for (let round = 0; round < ROUNDS; round++) {
    for (const shape of ['hmget', 'hgetall'] as const) {
      best[shape] = Math.min(best[shape], await timeShape(connection, fields, there, shape));
    }
  }
  const perHash = (elapsedMs: number): number => Math.max(elapsedMs - pingMs, 0) / there.length;
  return {
    hmgetMs: perHash(best.hmget),
    hgetallMs: perHash(best.hgetall),
    storedFields: total / there.length,
    encoding: encoding instanceof RedisError ? 'unknown' : String(encoding),
  };
}

/** Reads all keys in one shape at once; resolves with the milliseconds that it took. */
function timeShape(
  connection: RedisConnection,
  fields: HashFields,
  keys: readonly Uint8Array[],
  shape: ReadShape,
): Promise<number> {
  const { width } = fields;
  const cells: HashCells = {
    buffers: [],
    starts: new Int32Array(width),
    ends: new Int32Array(width),
  };
  const { head, tail } = fields[shape];
  const { runtime, address } = connection;
  const startedAtMs = runtime.now();
  return new Promise((resolve, reject) => {
    let pending = keys.length;
    const read = (reader: ReplyReader): boolean => {
      const progress =
        shape === 'hmget'
          ? readFieldsReply(reader, width, cells, 0)
          : readPairsReply(reader, fields, cells, 0);
      if (progress !== ReplyProgress.OTHER) {
        return progress === ReplyProgress.COMPLETE;
      }
      reader.restart();
      return reader.skip();
    };
    connection.sendAll(
      keys.map((key): RedisCommand => ({
        isOver: false,
        isAsking: false,
        encodedLength: () => head.length + keyPartLength(key) + tail.length,
        encode(out, at) {
          out.set(head, at);
          const end = writeKeyPart(out, at + head.length, key);
          out.set(tail, end);
          return end + tail.length;
        },
        readReply: read,
        onReply() {
          if (--pending === 0) resolve(runtime.now() - startedAtMs);
        },
        onErrorReply: (text) => reject(new RedisError('REPLY', text, { address })),
        onLost: reject,
      })),
    );
  });
}
