import { readMoment } from './materialization-window.ts';
import type { FrameMoment } from './frame-moment.ts';

const NANOS_PER_SECOND = 1_000_000_000n;
const ZERO = 0x30;
const NINE = 0x39;
const SPACE = 0x20;
const POINT = 0x2e;
const COLON = 0x3a;
const LETTER_T = 0x54;
const LETTER_Z = 0x5a;

/** Where the parts of `2025-01-01T00:00:00.000` begin. */
const CLOCK_AT = 10;
const FRACTION_AT = 19;
/** Digits of a fraction that count; what is finer is cut off. */
const MICRO_DIGITS = 6;
const MAX_DIGITS = 9;

/**
 * Reads a moment as most writers spell it, in UTC: `2025-01-01T00:00:00`, with a fraction or without, `Z` behind it or nothing.
 *
 * @returns `false` where it is spelled in another way, or is none: `readMoment` knows
 */
export function readUsualMoment(text: string, into: FrameMoment): boolean {
  const separator = text.charCodeAt(CLOCK_AT);
  if (separator !== LETTER_T && separator !== SPACE) return false;
  const hour = twoDigits(text, CLOCK_AT + 1);
  const minute = twoDigits(text, CLOCK_AT + 4);
  const second = twoDigits(text, CLOCK_AT + 7);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return false;
  if (text.charCodeAt(CLOCK_AT + 3) !== COLON || text.charCodeAt(CLOCK_AT + 6) !== COLON) {
    return false;
  }
  let at = FRACTION_AT;
  let micros = 0;
  if (text.charCodeAt(at) === POINT) {
    const first = ++at;
    for (; text.charCodeAt(at) >= ZERO && text.charCodeAt(at) <= NINE; at++) {
      if (at < first + MICRO_DIGITS) micros = 10 * micros + text.charCodeAt(at) - ZERO;
    }
    if (at === first || at > first + MAX_DIGITS) return false;
    for (let digits = at - first; digits < MICRO_DIGITS; digits++) micros *= 10;
  }
  if (text.charCodeAt(at) === LETTER_Z) at++;
  if (at < text.length) return false;
  const daySeconds = secondsOfDay(text.slice(0, CLOCK_AT));
  if (Number.isNaN(daySeconds)) return false;
  into.seconds = daySeconds + 3600 * hour + 60 * minute + second;
  into.nanos = 1000 * micros;
  return true;
}

/** -1 = they are none. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO;
  const ones = text.charCodeAt(at + 1) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? 10 * tens + ones : -1;
}

/** Rows of one write are mostly of few days. */
let lastDay = '';
let lastDaySeconds = Number.NaN;

/** Seconds from the epoch to midnight of `2025-01-01`; NaN = no such day. */
function secondsOfDay(day: string): number {
  if (day !== lastDay) {
    const timestampNs = readMoment(day);
    lastDaySeconds =
      timestampNs === undefined ? Number.NaN : Number(timestampNs / NANOS_PER_SECOND);
    lastDay = day;
  }
  return lastDaySeconds;
}
