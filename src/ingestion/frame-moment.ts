import { readValue } from '../feast-encoding/value-reader.ts';
import { ValueType } from '../feast-encoding/value-type.ts';
import { readMoment } from './materialization-window.ts';
import { isMissing, toPlain } from './plain-value.ts';
import type { PlainValue } from './plain-value.ts';
import { isInt64 } from './text-scalars.ts';
import type { FrameColumn } from './write-frame.ts';

const NANOS_PER_SECOND = 1_000_000_000n;
const NANOS_PER_MICRO = 1000n;

/** What `google.protobuf.Timestamp` holds: the years 1 to 9999. */
const MIN_NS = -62_135_596_800n * NANOS_PER_SECOND;
const MAX_NS = 253_402_300_800n * NANOS_PER_SECOND - 1n;

/** What pandas writes where there is no time; the SDK's remote online store sends it for a `created` that is null. */
const NO_TIME = 'NaT';

/**
 * The moment in one row of a timestamp column, in nanoseconds since the epoch: ISO 8601 text (UTC where it names no offset),
 * a number of nanoseconds as pandas has it, or, sent with a type, `unix_timestamp_val` seconds. What is finer than a
 * microsecond is cut off, as Feast does.
 *
 * @returns `null` where there is none; `undefined` where the value is no moment.
 */
export function momentOf(column: FrameColumn, row: number): bigint | null | undefined {
  if (column.kind === 'plain') {
    return momentOfPlain(column.values[row]!);
  }
  const typed = readValue(column.values[row]!);
  if (typed.type === ValueType.UNIX_TIMESTAMP) {
    return inRange((typed.value as bigint) * NANOS_PER_SECOND);
  }
  const plain = toPlain(typed);
  return plain === undefined ? undefined : momentOfPlain(plain);
}

function momentOfPlain(value: PlainValue): bigint | null | undefined {
  if (isMissing(value)) {
    return null;
  }
  switch (typeof value) {
    case 'string': {
      if (value === NO_TIME) return null;
      const timestampNs = readMoment(value);
      return timestampNs === undefined ? undefined : inRange(timestampNs);
    }
    case 'bigint':
      return isInt64(value) ? toMicros(value) : undefined;
    case 'number': {
      const nanos = Number.isFinite(value) ? BigInt(Math.trunc(value)) : undefined;
      return nanos !== undefined && isInt64(nanos) ? toMicros(nanos) : undefined;
    }
    default:
      return undefined;
  }
}

function inRange(timestampNs: bigint): bigint | undefined {
  return timestampNs >= MIN_NS && timestampNs <= MAX_NS ? timestampNs : undefined;
}

/** Cuts off what is finer than a microsecond, towards the past. */
function toMicros(timestampNs: bigint): bigint {
  const rest = timestampNs % NANOS_PER_MICRO;
  return timestampNs - (rest < 0n ? rest + NANOS_PER_MICRO : rest);
}
