/** What a scalar of a JSON text is. */
export const JsonKind = {
  NULL: 0,
  BOOL: 1,
  /** Digits that are an int64. */
  INTEGER: 2,
  /** Digits that are none. */
  HUGE_INTEGER: 3,
  /** Written with a point or an exponent, or as NaN or an infinity. */
  FLOAT: 4,
  STRING: 5,
} as const;

/** A scalar that was read; looked at before the next one is. */
export interface JsonScalar {
  /** One of `JsonKind`. */
  kind: number;
  /** Where its characters are: of a string what stands between the quotes. */
  start: number;
  end: number;
  /** Of an integer: its 64 bits in two's complement, as signed halves. Of a bool: 0 or 1 in `low`. */
  low: number;
  high: number;
  float: number;
  /** Bytes of a string in UTF-8. */
  byteLength: number;
}

export function createJsonScalar(): JsonScalar {
  return { kind: JsonKind.NULL, start: 0, end: 0, low: 0, high: 0, float: 0.5, byteLength: 0 };
}
