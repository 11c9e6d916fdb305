import { Buffer } from 'node:buffer';
import { skipVarint, varintInt64 } from '../feast-encoding/varint.ts';
import type { RedisReply } from '../redis/decode-reply.ts';
import type { Transaction, Words } from '../redis/transact.ts';

const SECONDS_TAG = 0x08;
const NANOS_TAG = 0x10;
const WIRE_TYPE_MASK = 7;

/** `WRITE_IF_NEWER` as a transaction; its arguments are the script's. */
export function writeIfNewer(key: Uint8Array, argument: Words): Transaction {
  const [timestampField, timestamp, seconds, nanos, ttl, ...fieldsAndValues] = argument;
  const event = { seconds: BigInt(String(seconds)), nanos: BigInt(String(nanos)) };
  return {
    keys: [key],
    reads: [['HGET', key, timestampField!]],
    decide([stored]) {
      if (isSameOrNewer(momentOf(stored), event)) {
        return [];
      }
      const write: Words = ['HSET', key, timestampField!, timestamp!, ...fieldsAndValues];
      return ttl === '' ? [write] : [write, ['EXPIRE', key, ttl!]];
    },
  };
}

/** `REMOVE_FIELDS` as a transaction; its arguments are the script's. */
export function removeFields(key: Uint8Array, argument: Words): Transaction {
  const nameOf = (field: string | Uint8Array): string => Buffer.from(field).toString('latin1');
  const doomed = new Set(argument.map(nameOf));
  return {
    keys: [key],
    reads: [['HKEYS', key]],
    decide([reply]) {
      const stored = (reply as readonly Buffer[]).map((field) => field.toString('latin1'));
      if (!stored.some((field) => doomed.has(field))) {
        return [];
      }
      const isRowLeft = stored.some((field) => field.startsWith('_ts:') && !doomed.has(field));
      return [isRowLeft ? ['HDEL', key, ...argument] : ['DEL', key]];
    },
  };
}

interface Moment {
  readonly seconds: bigint;
  readonly nanos: bigint;
}

const NO_MOMENT: Moment = { seconds: 0n, nanos: 0n };

/** Epoch 0, a moment before 1970 and what is no timestamp never stand in the way. */
function isSameOrNewer(stored: Moment, event: Moment): boolean {
  if (stored.seconds <= 0n && stored.nanos <= 0n) {
    return false;
  }
  return stored.seconds === event.seconds
    ? stored.nanos >= event.nanos
    : stored.seconds > event.seconds;
}

/** Reads a stored `google.protobuf.Timestamp` as the script does: anything but varints makes it none. */
function momentOf(stored: RedisReply | undefined): Moment {
  if (!Buffer.isBuffer(stored)) {
    return NO_MOMENT;
  }
  let { seconds, nanos } = NO_MOMENT;
  for (let at = 0; at < stored.length;) {
    const valueAt = skipVarint(stored, at, stored.length);
    const after = valueAt < 0 ? -1 : skipVarint(stored, valueAt, stored.length);
    const tag = valueAt < 0 ? -1n : varintInt64(stored, at);
    if (after < 0 || (Number(tag) & WIRE_TYPE_MASK) !== 0) {
      return NO_MOMENT;
    }
    const value = varintInt64(stored, valueAt);
    if (tag === BigInt(SECONDS_TAG)) seconds = value;
    else if (tag === BigInt(NANOS_TAG)) nanos = value;
    at = after;
  }
  return seconds < 0n ? NO_MOMENT : { seconds, nanos };
}
