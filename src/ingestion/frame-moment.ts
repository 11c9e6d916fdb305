import { nanosOf, secondsOf } from '../feast-encoding/row-slab.ts';
import { readMoment } from './materialization-window.ts';
import { isMissing } from './plain-value.ts';
import type { PlainValue } from './plain-value.ts';
import { isInt64 } from './text-scalars.ts';
import { readUsualMoment } from './usual-moment.ts';
import type { FrameColumn } from './write-frame.ts';

const NANOS_PER_SECOND = 1_000_000_000n;
const NANOS_PER_MICRO = 1000n;

/** What `google.protobuf.Timestamp` holds: the years 1 to 9999. */
const MIN_SECONDS = -62_135_596_800;
const MAX_SECONDS = 253_402_300_800;
const MIN_NS = BigInt(MIN_SECONDS) * NANOS_PER_SECOND;
const MAX_NS = BigInt(MAX_SECONDS) * NANOS_PER_SECOND - 1n;

/** What pandas writes where there is no time; the SDK's remote online store sends it for a `created` that is null. */
const NO_TIME = 'NaT';

/** A moment that was read: whole seconds since the epoch, and nanoseconds that count forward from there. */
export interface FrameMoment {
  seconds: number;
  nanos: number;
}

/**
 * Reads the moment in one row of a timestamp column: ISO 8601 text (UTC where it names no offset), a number of nanoseconds as
 * pandas has it, or, sent with a type, `unix_timestamp_val` seconds. What is finer than a microsecond is cut off, as Feast
 * does.
 *
 * @returns what the value is: a moment, which `into` has then, none, or no moment
 */
export function readFrameMoment(
  column: FrameColumn,
  row: number,
  into: FrameMoment,
): 'moment' | 'null' | 'misfit' {
  const seconds = column.unixSeconds(row);
  if (seconds !== undefined) {
    into.seconds = seconds;
    into.nanos = 0;
    return inYears(seconds);
  }
  const plain = column.plain(row);
  if (typeof plain === 'string' && readUsualMoment(plain, into)) return inYears(into.seconds);
  const timestampNs = plain === undefined ? undefined : momentOfPlain(plain);
  if (timestampNs === undefined) return 'misfit';
  if (timestampNs === null) return 'null';
  into.seconds = secondsOf(timestampNs);
  into.nanos = nanosOf(timestampNs);
  return 'moment';
}

function inYears(seconds: number): 'moment' | 'misfit' {
  return seconds >= MIN_SECONDS && seconds < MAX_SECONDS ? 'moment' : 'misfit';
}

/** @returns `null` where there is none; `undefined` where the value is no moment */
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
