import { Buffer } from 'node:buffer';
import { callTogether } from './call-command.ts';
import { decodeReply } from './decode-reply.ts';
import { encodeCommand, keyPartLength, writeKeyPart } from './encode-command.ts';
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
  /** Milliseconds per hash: Redis's, ours for reading the reply, and what its bytes cost on the way. */
  readonly hmgetMs: number;
  readonly hgetallMs: number;
  /** Fields that a hash has, on average. */
  readonly storedFields: number;
  /** As Redis says of one of them: `listpack`, `ziplist` (packed), `hashtable`. */
  readonly encoding: string;
}

/** Both ways take turns, and the quickest of each counts: what else the machines do only adds. */
const ROUNDS = 4;
const TIMEOUT_MS = 5_000;
/** Redis takes so much from a connection at a time; commands that come in one piece are not interrupted by others. */
const MAX_PIECE_BYTES = 12 * 1024;
/** To write, send and receive: about what two kernels take. */
const MS_PER_BYTE = 0.4e-6;
const TIME = encodeCommand(['TIME']);

/**
 * Reads the same hashes in both shapes and adds up what that costs. Redis's part is told by its own clock, right before and
 * right after, so that it does not matter how long anything waited.
 *
 * @param keys of hashes at the node of the connection.
 * @returns `undefined` where none of them exists, or the clock is not to be had: there is nothing to learn.
 * @throws RedisError
 */
export async function measureShapes(
  connection: RedisConnection,
  fields: HashFields,
  keys: readonly Uint8Array[],
): Promise<ShapeMeasurement | undefined> {
  const questions = keys.map((key) => ['HLEN', key]);
  const lengths = (await callTogether(connection, questions, TIMEOUT_MS)).map(Number);
  const there = keys.filter((_, i) => lengths[i]! > 0).slice(0, keysInPiece(fields, keys[0]!));
  if (there.length === 0) {
    return undefined;
  }
  const question = [['OBJECT', 'ENCODING', there[0]!]];
  const [encoding] = await callTogether(connection, question, TIMEOUT_MS);
  const best = { hmget: Infinity, hgetall: Infinity };
  for (let round = 0; round < ROUNDS; round++) {
    for (const shape of ['hmget', 'hgetall'] as const) {
      const costMs = await costOf(connection, fields, there, shape);
      if (costMs === undefined) return undefined;
      best[shape] = Math.min(best[shape], costMs);
    }
  }
  return {
    hmgetMs: best.hmget / there.length,
    hgetallMs: best.hgetall / there.length,
    storedFields: lengths.reduce((sum, length) => sum + length, 0) / there.length,
    encoding: encoding instanceof RedisError ? 'unknown' : String(encoding),
  };
}

function keysInPiece(fields: HashFields, key: Uint8Array): number {
  const { head, tail } = fields.hmget;
  const commandBytes = head.length + keyPartLength(key) + tail.length;
  return Math.max(Math.floor((MAX_PIECE_BYTES - 2 * TIME.length) / commandBytes), 1);
}

/** Reads all keys in one shape at once, in milliseconds; `undefined` where Redis does not tell the time. */
function costOf(
  connection: RedisConnection,
  fields: HashFields,
  keys: readonly Uint8Array[],
  shape: ReadShape,
): Promise<number | undefined> {
  const { runtime, address } = connection;
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  const timer = runtime.setTimer(() => {
    reject(new RedisError('NO_ANSWER', `no answer within ${TIMEOUT_MS} ms`, { address }));
  }, TIMEOUT_MS);
  const cells: HashCells = {
    buffers: [],
    starts: new Int32Array(fields.width),
    ends: new Int32Array(fields.width),
  };
  let startedAtMs: number | undefined;
  let ownMs = 0;
  let bytes = 0;
  const fail = (error: RedisError): void => reject(error);
  const clock = (onTime: (ms: number | undefined) => void): RedisCommand => ({
    isOver: false,
    isAsking: false,
    encodedLength: () => TIME.length,
    encode: (out, at) => at + copy(TIME, out, at),
    readReply: (reader) => reader.skip(),
    onReply: (reader) => onTime(timeOf(reader)),
    onErrorReply: () => onTime(undefined),
    onLost: fail,
  });
  const { head, tail } = fields[shape];
  const reads = keys.map((key): RedisCommand => ({
    isOver: false,
    isAsking: false,
    encodedLength: () => head.length + keyPartLength(key) + tail.length,
    encode(out, at) {
      const end = writeKeyPart(out, at + copy(head, out, at), key);
      return end + copy(tail, out, end);
    },
    readReply(reader) {
      const beganAtMs = runtime.now();
      const isRead = readReply(reader, fields, shape, cells);
      ownMs += runtime.now() - beganAtMs;
      return isRead;
    },
    onReply: (reader) => void (bytes += reader.at - reader.start),
    onErrorReply: (text) => fail(new RedisError('REPLY', text, { address })),
    onLost: fail,
  }));
  connection.sendAll([
    clock((ms) => (startedAtMs = ms)),
    ...reads,
    clock((ms) => {
      const redisMs = ms === undefined || startedAtMs === undefined ? undefined : ms - startedAtMs;
      resolve(redisMs === undefined ? undefined : redisMs + ownMs + bytes * MS_PER_BYTE);
    }),
  ]);
  return promise.finally(() => timer.cancel());
}

function readReply(
  reader: ReplyReader,
  fields: HashFields,
  shape: ReadShape,
  cells: HashCells,
): boolean {
  const progress =
    shape === 'hmget'
      ? readFieldsReply(reader, fields.width, cells, 0)
      : readPairsReply(reader, fields, cells, 0);
  if (progress !== ReplyProgress.OTHER) {
    return progress === ReplyProgress.COMPLETE;
  }
  reader.restart();
  return reader.skip();
}

function copy(bytes: Buffer, out: Uint8Array, at: number): number {
  out.set(bytes, at);
  return bytes.length;
}

/** Milliseconds of a reply to `TIME`: seconds and microseconds. */
function timeOf(reader: ReplyReader): number | undefined {
  const reply = decodeReply(reader);
  const [seconds, micros] = Array.isArray(reply) ? reply.map(Number) : [];
  return seconds === undefined || micros === undefined
    ? undefined
    : seconds * 1_000 + micros / 1_000;
}
