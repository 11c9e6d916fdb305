/**
 * How Python writes values as text. Feast turns whatever stands in a column of a STRING feature into text with `str()` and
 * structures of a JSON feature with `json.dumps()`; stores that were filled by it hold those spellings.
 */

/** More are never needed to tell a float32 from its neighbours. */
const FLOAT32_DIGITS = 9;

/** `str()` of a float: the shortest digits that read back, an exponent below 1e-4 and from 1e16 on. */
export function pythonFloat(value: number): string {
  return spellFloat(value, 1e16, (number) => number.toExponential());
}

/** `str()` of a float32 of NumPy (2.4): the shortest digits that read back as 32 bits, an exponent from 1e6 on. */
export function pythonFloat32(value: number): string {
  return spellFloat(value, 1e6, (number) => {
    let digits = 1;
    while (
      digits < FLOAT32_DIGITS &&
      Math.fround(Number(number.toExponential(digits - 1))) !== number
    ) {
      digits++;
    }
    return number.toExponential(digits - 1);
  });
}

/** `str()` of a decimal: `value` x 10^-`scale`, plain down to six leading zeros, then with an exponent. */
export function pythonDecimal(value: bigint, scale: number): string {
  const sign = value < 0n ? '-' : '';
  const digits = (value < 0n ? -value : value).toString();
  const exponent = digits.length - 1 - scale;
  if (exponent < -6) {
    const mantissa = digits.length === 1 ? digits : `${digits[0]}.${digits.slice(1)}`;
    return `${sign}${mantissa}E-${-exponent}`;
  }
  if (scale === 0) {
    return sign + digits;
  }
  const padded = digits.padStart(scale + 1, '0');
  return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
}

/** `str()` of a bool. */
export function pythonBool(value: boolean): string {
  return value ? 'True' : 'False';
}

/** What `pythonJson` can write: objects as entries, so that their order and equal keys survive. */
export type JsonTree = null | boolean | string | bigint | number | readonly JsonTree[] | JsonObject;

/** An object, its entries in order. */
export interface JsonObject {
  readonly entries: readonly (readonly [key: string, value: JsonTree])[];
}

/** `json.dumps()`: a space after `:` and `,`, everything beyond ASCII escaped; bigint is an integer, number a float. */
export function pythonJson(tree: JsonTree): string {
  if (tree === null) {
    return 'null';
  }
  if (typeof tree === 'string') {
    return jsonString(tree);
  }
  if (typeof tree === 'number') {
    return Number.isNaN(tree)
      ? 'NaN'
      : Number.isFinite(tree)
        ? pythonFloat(tree)
        : tree > 0
          ? 'Infinity'
          : '-Infinity';
  }
  if (typeof tree === 'boolean' || typeof tree === 'bigint') {
    return tree.toString();
  }
  if (isJsonObject(tree)) {
    return `{${tree.entries.map(([key, value]) => `${jsonString(key)}: ${pythonJson(value)}`).join(', ')}}`;
  }
  return `[${tree.map(pythonJson).join(', ')}]`;
}

/** Whether a tree is an object rather than a list. */
export function isJsonObject(tree: JsonObject | readonly JsonTree[]): tree is JsonObject {
  return !Array.isArray(tree);
}

function jsonString(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** @param exponentFrom numbers of this size and more are spelled with an exponent, as all below 1e-4 are. */
function spellFloat(
  value: number,
  exponentFrom: number,
  exponential: (value: number) => string,
): string {
  if (Number.isNaN(value)) {
    return 'nan';
  }
  if (!Number.isFinite(value)) {
    return value > 0 ? 'inf' : '-inf';
  }
  if (value === 0) {
    return Object.is(value, -0) ? '-0.0' : '0.0';
  }
  const size = Math.abs(value);
  const [mantissa, power] = exponential(size).split('e') as [string, string];
  const sign = value < 0 ? '-' : '';
  const digits = mantissa.replace('.', '');
  const exponent = Number(power);
  if (size < 1e-4 || size >= exponentFrom) {
    const rest = digits.length === 1 ? '' : `.${digits.slice(1)}`;
    const places = Math.abs(exponent).toString().padStart(2, '0');
    return `${sign}${digits[0]}${rest}e${exponent < 0 ? '-' : '+'}${places}`;
  }
  if (exponent < 0) {
    return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  }
  const padded = digits.padEnd(exponent + 2, '0');
  return `${sign}${padded.slice(0, exponent + 1)}.${padded.slice(exponent + 1)}`;
}
