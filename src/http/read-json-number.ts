import type { Buffer } from 'node:buffer';
import { JsonKind, type JsonScalar } from './json-scalar.ts';

const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
const LETTER_E = 0x65;

const TWO_32 = 2 ** 32;
/** Integers of so many digits are exact as numbers. */
const SAFE_DIGITS = 15;
const INT64_DIGITS = 19;
const BILLION = 1_000_000_000;

/** Powers of ten that are exact as doubles. */
const POWERS_OF_TEN = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/**
 * Reads the number (NaN and the infinities are some) that begins at `start` of a text that `checkJson` has checked.
 *
 * @returns the position after it
 */
export function readNumber(text: Buffer, start: number, scalar: JsonScalar): number {
  const isNegative = text[start] === MINUS;
  const first = isNegative ? start + 1 : start;
  let at = first;
  let value = 0;
  for (let digit = text[at]! - ZERO; digit >= 0 && digit <= 9; digit = text[++at]! - ZERO) {
    value = 10 * value + digit;
  }
  const next = text[at]!;
  if (at === first || next === POINT || (next | 0x20) === LETTER_E) {
    return readFloat(text, start, at, value, scalar);
  }
  scalar.kind = JsonKind.INTEGER;
  scalar.start = start;
  scalar.end = at;
  if (at - first <= SAFE_DIGITS) {
    setHalves(scalar, Math.floor(value / TWO_32), value, isNegative);
  } else if (at - first > INT64_DIGITS) {
    scalar.kind = JsonKind.HUGE_INTEGER;
  } else {
    readLongInteger(text, first, at, isNegative, scalar);
  }
  return at;
}

/** Sixteen to nineteen digits: a product and a sum of two parts, each exact. */
function readLongInteger(
  text: Buffer,
  first: number,
  end: number,
  isNegative: boolean,
  scalar: JsonScalar,
): void {
  const billions = digitsValue(text, first, end - 9);
  const rest = digitsValue(text, end - 9, end);
  const upper = Math.floor(billions / 0x1_0000) * BILLION;
  const lower = (billions % 0x1_0000) * BILLION + rest + (upper % 0x1_0000) * 0x1_0000;
  const high = Math.floor(upper / 0x1_0000) + Math.floor(lower / TWO_32);
  const low = lower % TWO_32;
  const isInt64 = high < 2 ** 31 || (isNegative && high === 2 ** 31 && low === 0);
  if (isInt64) setHalves(scalar, high, low, isNegative);
  else scalar.kind = JsonKind.HUGE_INTEGER;
}

function digitsValue(text: Buffer, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = 10 * value + text[at]! - ZERO;
  return value;
}

/** @param low of it the lower 32 bits count */
function setHalves(scalar: JsonScalar, high: number, low: number, isNegative: boolean): void {
  if (isNegative) {
    scalar.low = -low | 0;
    scalar.high = (scalar.low === 0 ? -high : ~high) | 0;
  } else {
    scalar.low = low | 0;
    scalar.high = high | 0;
  }
}

/**
 * @param at behind the digits before the point, if any
 * @param value of these digits, exact if they are few
 */
function readFloat(
  text: Buffer,
  start: number,
  at: number,
  value: number,
  scalar: JsonScalar,
): number {
  scalar.kind = JsonKind.FLOAT;
  scalar.start = start;
  const first = text[start] === MINUS ? start + 1 : start;
  if (at === first) return readNonFinite(text, start, first, scalar);
  let digits = at - first;
  let exponent = 0;
  if (text[at] === POINT) {
    const point = at;
    for (let digit = text[++at]! - ZERO; digit >= 0 && digit <= 9; digit = text[++at]! - ZERO) {
      value = 10 * value + digit;
    }
    exponent = point + 1 - at;
    digits -= exponent;
  }
  if ((text[at]! | 0x20) === LETTER_E) {
    const sign = text[at + 1]!;
    const from = sign === MINUS || sign === PLUS ? at + 2 : at + 1;
    at = from;
    while (text[at]! >= ZERO && text[at]! <= ZERO + 9) at++;
    const written = digitsValue(text, from, at);
    exponent += sign === MINUS ? -written : written;
  }
  scalar.end = at;
  if (digits <= SAFE_DIGITS && exponent >= -22 && exponent <= 22) {
    // Both are exact, so that the one rounding is the right one.
    const magnitude =
      exponent < 0 ? value / POWERS_OF_TEN[-exponent]! : value * POWERS_OF_TEN[exponent]!;
    scalar.float = first > start ? -magnitude : magnitude;
  } else {
    scalar.float = Number(text.toString('latin1', start, at));
  }
  return at;
}

function readNonFinite(text: Buffer, start: number, first: number, scalar: JsonScalar): number {
  const isNan = text[first] !== 0x49;
  scalar.end = first + (isNan ? 3 : 8);
  scalar.float = isNan
    ? Number.NaN
    : first > start
      ? Number.NEGATIVE_INFINITY
      : Number.POSITIVE_INFINITY;
  return scalar.end;
}
