const NANOS_PER_SECOND = 1_000_000_000n;

/** `2025-01-01 00:00:00`, with `T`, a fraction and an offset where there are any. */
const TEXT_TIMESTAMP = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?$/;

/**
 * Reads an event timestamp as Feast's SQLite layout has them: INTEGER seconds (today), REAL seconds, or TEXT (older
 * releases; without an offset it is UTC).
 *
 * @param writerUtcOffsetSeconds of the process that wrote numbers: it took UTC for its local time.
 * @returns nanoseconds since the epoch, UTC; `undefined` for anything else.
 */
export function readSqliteTimestamp(
  stored: unknown,
  writerUtcOffsetSeconds: number,
): bigint | undefined {
  if (typeof stored === 'bigint') {
    return (stored + BigInt(writerUtcOffsetSeconds)) * NANOS_PER_SECOND;
  }
  if (typeof stored === 'number' && Number.isFinite(stored)) {
    const whole = Math.floor(stored);
    const nanos = BigInt(Math.round((stored - whole) * 1e9));
    return (BigInt(whole) + BigInt(writerUtcOffsetSeconds)) * NANOS_PER_SECOND + nanos;
  }
  return typeof stored === 'string' ? readText(stored) : undefined;
}

function readText(text: string): bigint | undefined {
  const match = TEXT_TIMESTAMP.exec(text);
  if (match === null) {
    return undefined;
  }
  const [, date, time, fraction = '', offset = 'Z'] = match;
  const milliseconds = Date.parse(`${date}T${time}${offset}`);
  if (Number.isNaN(milliseconds)) {
    return undefined;
  }
  return BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}

/**
 * Whole seconds to store for a moment: rounded towards zero as Feast's `int()` does, in the writer's zone.
 *
 * @param nanos that count forward, before 1970 too.
 */
export function toSqliteSeconds(
  seconds: number,
  nanos: number,
  writerUtcOffsetSeconds: number,
): bigint {
  const whole = seconds < 0 && nanos > 0 ? seconds + 1 : seconds;
  return BigInt(whole - writerUtcOffsetSeconds);
}
