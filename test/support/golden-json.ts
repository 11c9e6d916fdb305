/**
 * What JSON text holds, without loss: integers are `bigint`, numbers with a point or an exponent are `number` (binary64).
 * Feast's clients tell the two apart, so a comparison has to.
 */
export type ExactJson =
  | null
  | boolean
  | string
  | bigint
  | number
  | readonly ExactJson[]
  | { readonly [key: string]: ExactJson };

type ReviverWithSource = (
  key: string,
  value: ExactJson,
  context: { readonly source?: string },
) => ExactJson;

/** `JSON.parse`, whose reviver is given the source text of primitives by this version of V8. */
const parseWithSource = JSON.parse as (text: string, reviver: ReviverWithSource) => ExactJson;

/** @throws SyntaxError where `text` is no JSON */
export function parseExactJson(text: string): ExactJson {
  return parseWithSource(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined && /^-?\d+$/.test(source)
      ? BigInt(source)
      : value,
  );
}

/** Text that two values share exactly when they are equal: keys are sorted, -0.0 is not 0.0, 1 is not 1.0. */
export function canonicalJson(value: ExactJson): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return canonicalFloat(value);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) {
    return `[${(value as readonly ExactJson[]).map(canonicalJson).join(',')}]`;
  }
  const entries = Object.entries(value as Readonly<Record<string, ExactJson>>)
    .map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`)
    .toSorted();
  return `{${entries.join(',')}}`;
}

/** A float as text that no integer looks like; NaN, whatever its payload, is `NaN`. */
export function canonicalFloat(value: number): string {
  if (Object.is(value, -0)) return '-0.0';
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? `${value}.0` : String(value);
}

/** The value under `key` where `value` is an object that has one. */
export function member(value: ExactJson | undefined, key: string): ExactJson | undefined {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  return (value as Readonly<Record<string, ExactJson>>)[key];
}

/** The elements where `value` is a list, else none. */
export function elements(value: ExactJson | undefined): readonly ExactJson[] {
  return Array.isArray(value) ? (value as readonly ExactJson[]) : [];
}
