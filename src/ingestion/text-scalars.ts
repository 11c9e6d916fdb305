import { readMoment } from './materialization-window.ts';

/** Scalars from their text, as Python reads them; each reader gives `undefined` where the text is none. */

const INT64_MIN = -0x8000_0000_0000_0000n;
const INT64_MAX = 0x7fff_ffff_ffff_ffffn;
const NANOS_PER_SECOND = 1_000_000_000n;

const DIGITS = /^[+-]?\d+$/;
/** No 64-bit integer needs more; reading longer ones would only cost time. */
const MAX_DIGITS = 40;
/** Each digit has one place in it: else a long text that is no number would be tried in all ways to part it. */
const NUMBER = /^[+-]?(\d+(?:\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;
const SPECIAL_NUMBERS: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Infinity,
  '+inf': Infinity,
  '-inf': -Infinity,
  infinity: Infinity,
  '+infinity': Infinity,
  '-infinity': -Infinity,
};

/** Decimal digits with an optional sign, white space around. */
export function parseInteger(text: string): bigint | undefined {
  const trimmed = text.trim();
  return trimmed.length <= MAX_DIGITS && DIGITS.test(trimmed)
    ? BigInt(trimmed.replace('+', ''))
    : undefined;
}

/** What `float()` takes. */
export function parseFloatText(text: string): number | undefined {
  const trimmed = text.trim();
  return NUMBER.test(trimmed) ? Number(trimmed) : SPECIAL_NUMBERS[trimmed.toLowerCase()];
}

/** `true`, `false`, `1` and `0`, in any case. */
export function parseBool(text: string): boolean | undefined {
  switch (text.trim().toLowerCase()) {
    case 'true':
    case '1':
      return true;
    case 'false':
    case '0':
      return false;
    default:
      return undefined;
  }
}

/** Whole seconds since the epoch: digits are seconds, as in Feast; anything else is ISO 8601. */
export function parseSeconds(text: string): bigint | undefined {
  const seconds = parseInteger(text);
  if (seconds !== undefined) {
    return isInt64(seconds) ? seconds : undefined;
  }
  const timestampNs = readMoment(text);
  return timestampNs === undefined ? undefined : floorDivide(timestampNs, NANOS_PER_SECOND);
}

/** Whether 64 bits hold it. */
export function isInt64(value: bigint): boolean {
  return value >= INT64_MIN && value <= INT64_MAX;
}

/** Division that rounds down, before 1970 too. */
export function floorDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend % divisor < 0n ? quotient - 1n : quotient;
}
