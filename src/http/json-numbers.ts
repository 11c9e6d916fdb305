/**
 * A double as Python's `repr` writes it: the shortest digits that read back as the same number, always with a point or an
 * exponent, because Feast's clients take a number without them for an integer.
 *
 * @param value finite
 */
export function floatText(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 1e16 || (magnitude < 1e-4 && magnitude !== 0)) {
    // JavaScript finds the same digits; Python writes at least two digits of exponent.
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  }
  if (Number.isInteger(value)) return Object.is(value, -0) ? '-0.0' : `${value}.0`;
  return String(value);
}

/** How NaN and the infinities stand in JSON, which has no numbers for them. */
export type NonFiniteJson = 'string' | 'null';

/** Any double as JSON: as `floatText`, or `"NaN"`, `"Infinity"`, `"-Infinity"`, or null where `nonFinite` says so. */
export function doubleJson(value: number, nonFinite: NonFiniteJson): string {
  if (Number.isFinite(value)) return floatText(value);
  return nonFinite === 'null' ? 'null' : `"${value}"`;
}
