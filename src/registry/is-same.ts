/**
 * Whether two definitions say the same, the order of what they hold included: plain data of objects, arrays, maps, sets
 * and primitives that does not refer to itself. Makes no garbage, for nearly everything that it is asked of is the same.
 */
export function isSame(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (!isObject(left) || !isObject(right) || left.constructor !== right.constructor) return false;
  if (Array.isArray(left)) return isSameArray(left, right as readonly unknown[]);
  if (left instanceof Map) return isSameMap(left, right as ReadonlyMap<unknown, unknown>);
  if (left instanceof Set) return isSameSet(left, right as ReadonlySet<unknown>);
  return isSameRecord(left as PlainRecord, right as PlainRecord);
}

/** What was, where what is says the same. */
export function keepSame<T>(is: T, was: T | undefined): T {
  return was !== undefined && isSame(is, was) ? was : is;
}

type PlainRecord = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isSameArray(left: readonly unknown[], right: readonly unknown[]): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (!isSame(left[i], right[i])) return false;
  return true;
}

function isSameMap(
  left: ReadonlyMap<unknown, unknown>,
  right: ReadonlyMap<unknown, unknown>,
): boolean {
  if (left.size !== right.size) return false;
  const rightKeys = right.keys();
  for (const [key, value] of left) {
    if (key !== rightKeys.next().value || !isSame(value, right.get(key))) return false;
  }
  return true;
}

function isSameSet(left: ReadonlySet<unknown>, right: ReadonlySet<unknown>): boolean {
  if (left.size !== right.size) return false;
  for (const item of left) if (!right.has(item)) return false;
  return true;
}

/** `undefined` and absent say the same. */
function isSameRecord(left: PlainRecord, right: PlainRecord): boolean {
  for (const key in left) if (!isSame(left[key], right[key])) return false;
  for (const key in right) if (!Object.hasOwn(left, key) && right[key] !== undefined) return false;
  return true;
}
