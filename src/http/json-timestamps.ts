import { Buffer } from 'node:buffer';
import {
  isTimestampMessage,
  timestampNanos,
  timestampSeconds,
} from '../feast-encoding/timestamp.ts';

const NANOS_PER_SECOND = 1_000_000_000;
/** What JavaScript's dates hold, in seconds on either side of the epoch: years -271821 to 275760. */
const MAX_DATE_SECONDS = 8_640_000_000_000;
/** Seconds of Feast's "not a time", the smallest int64. */
const NOT_A_TIME = -(2n ** 63n);
const SECONDS_PER_DAY = 86_400;
const CLOCK_LENGTH = '00:00:00.000Z'.length;
const FIXED_OFFSET = /^([+-])(\d\d):(\d\d)(?::(\d\d))?$/;
const ZERO = 0x30;
const COLON = 0x3a;
const POINT = 0x2e;
const Z = 0x5a;

/** The longest that `writeTimestamp` writes. */
export const MAX_TIMESTAMP_LENGTH = '+275760-09-13T00:00:00.000000000Z'.length;

/**
 * Writes the encoded `google.protobuf.Timestamp` at `[start, end)` of `bytes` as RFC 3339 in UTC with 0, 3, 6 or 9 digits of
 * fraction (https://protobuf.dev/programming-guides/json), in ASCII, at `at` of `out`. Years outside 0000 to 9999 take
 * ISO 8601's six digits and sign.
 *
 * @returns the position after it; -1 where the bytes are no Timestamp, or one that no calendar of ours holds
 */
export function writeTimestamp(
  out: Uint8Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  if (!isTimestampMessage(bytes, start, end)) return -1;
  const nanos = timestampNanos(bytes, start, end);
  const carried = Math.floor(nanos / NANOS_PER_SECOND);
  at = writeDateTime(out, at, timestampSeconds(bytes, start, end) + carried);
  if (at < 0) return -1;
  at = writeFraction(out, at, nanos - carried * NANOS_PER_SECOND);
  out[at] = Z;
  return at + 1;
}

/** The same as a text; `undefined` where there is none. */
export function timestampText(bytes: Uint8Array): string | undefined {
  return textOf(writeTimestamp(scratch, 0, bytes, 0, bytes.length));
}

function writeFraction(out: Uint8Array, at: number, nanos: number): number {
  if (nanos === 0) return at;
  out[at++] = POINT;
  if (nanos % 1_000_000 === 0) return writeDigits(out, at, nanos / 1_000_000, 3);
  if (nanos % 1_000 === 0) return writeDigits(out, at, nanos / 1_000, 6);
  return writeDigits(out, at, nanos, 9);
}

/** Writes `2025-01-01T00:00:00` for whole seconds since the epoch; returns -1 beyond what a date holds. */
function writeDateTime(out: Uint8Array, at: number, seconds: number): number {
  if (Math.abs(seconds) > MAX_DATE_SECONDS) return -1;
  const day = Math.floor(seconds / SECONDS_PER_DAY);
  if (day !== lastDay) {
    const text = new Date(day * SECONDS_PER_DAY * 1000).toISOString();
    lastDayText = Buffer.from(text.slice(0, -CLOCK_LENGTH), 'latin1');
    lastDay = day;
  }
  for (let i = 0; i < lastDayText.length; i++) out[at++] = lastDayText[i]!;
  const rest = seconds - day * SECONDS_PER_DAY;
  const minutes = Math.floor(rest / 60);
  at = writeDigits(out, at, Math.floor(minutes / 60), 2);
  out[at++] = COLON;
  at = writeDigits(out, at, minutes % 60, 2);
  out[at++] = COLON;
  return writeDigits(out, at, rest % 60, 2);
}

function writeDigits(out: Uint8Array, at: number, number: number, count: number): number {
  for (let i = at + count - 1; i >= at; i--) {
    const rest = Math.floor(number / 10);
    out[i] = ZERO + number - 10 * rest;
    number = rest;
  }
  return at + count;
}

/** For what becomes a text at once. */
const scratch: Buffer = Buffer.alloc(MAX_TIMESTAMP_LENGTH);

function textOf(end: number): string | undefined {
  return end < 0 ? undefined : scratch.toString('latin1', 0, end);
}

/** Rows of one answer are mostly of few days. */
let lastDay = Number.NaN;
/** With the `T` after it. */
let lastDayText: Uint8Array = new Uint8Array(0);

/**
 * A zoned timestamp as ISO 8601 local time with its offset from UTC, as Python's `isoformat` prints it. A zone that is
 * not known is read as UTC, as Feast does; the smallest int64 is Feast's "not a time" and becomes null.
 *
 * @param zone IANA name, `+05:30` style offset, or '' for UTC
 * @returns JSON; `undefined` for an instant that no calendar of ours holds
 */
export function zonedTimestampJson(seconds: bigint, zone: string): string | undefined {
  if (seconds === NOT_A_TIME) return 'null';
  // Beyond 2^53, where numbers are not exact, there are no dates.
  const instant = Number(seconds);
  if (Math.abs(instant) > MAX_DATE_SECONDS) return undefined;
  const offsetSeconds = zoneOffsetSeconds(zone, instant);
  const local = textOf(writeDateTime(scratch, 0, instant + offsetSeconds));
  return local === undefined ? undefined : `"${local}${offsetText(offsetSeconds)}"`;
}

function offsetText(offsetSeconds: number): string {
  const magnitude = Math.abs(offsetSeconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  const seconds = magnitude % 60;
  return (
    `${offsetSeconds < 0 ? '-' : '+'}${two(Math.floor(magnitude / 3600))}` +
    `:${two(Math.floor(magnitude / 60) % 60)}${seconds === 0 ? '' : `:${two(seconds)}`}`
  );
}

/** What a zone's clocks are ahead of UTC at an instant. */
function zoneOffsetSeconds(zone: string, seconds: number): number {
  const fixed = FIXED_OFFSET.exec(zone);
  if (fixed !== null) {
    const magnitude = Number(fixed[2]) * 3600 + Number(fixed[3]) * 60 + Number(fixed[4] ?? 0);
    return fixed[1] === '-' ? -magnitude : magnitude;
  }
  const format = zone === '' || zone === 'UTC' ? null : zoneFormat(zone);
  if (format === null) return 0;
  const parts = new Map(
    format.formatToParts(seconds * 1000).map((part) => [part.type, part.value]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
  // Years before 1 are counted backwards from 1 BC.
  const year = parts.get('era') === 'BC' ? 1 - part('year') : part('year');
  const local = new Date(0);
  local.setUTCFullYear(year, part('month') - 1, part('day'));
  local.setUTCHours(part('hour'), part('minute'), part('second'));
  return Math.round(local.getTime() / 1000 - seconds);
}

/** Formatters are dear to make; zones that a registry's features use are few. */
const zoneFormats = new Map<string, Intl.DateTimeFormat | null>();
/** More than there are zones, whose names are known in any case. */
const MAX_ZONE_FORMATS = 1000;
/** The longest name of a zone has half as many letters. */
const MAX_ZONE_LENGTH = 64;

/** `null` = no such zone. */
function zoneFormat(name: string): Intl.DateTimeFormat | null {
  if (name.length > MAX_ZONE_LENGTH) return null;
  const zone = name.toLowerCase();
  const known = zoneFormats.get(zone);
  if (known !== undefined) return known;
  let format: Intl.DateTimeFormat | null = null;
  try {
    format = new Intl.DateTimeFormat('en-u-ca-gregory-nu-latn', {
      timeZone: zone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    // Not a zone: Feast falls back to UTC.
  }
  if (zoneFormats.size >= MAX_ZONE_FORMATS) zoneFormats.clear();
  zoneFormats.set(zone, format);
  return format;
}
