import {
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type MessageShape,
  toJson,
} from '@bufbuild/protobuf';

/** One field that differs. `undefined` = not set there, or (for members of lists and maps) not in it. */
export interface FieldChange {
  /** Names of Feast's protos joined by points; members of lists by their names: `features.city.value_type`. */
  readonly field: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** What differs between two messages of a type, in the order of their fields; empty when nothing does. */
export function diffMessages<D extends DescMessage>(
  schema: D,
  before: MessageShape<D>,
  after: MessageShape<D>,
): readonly FieldChange[] {
  const changes: FieldChange[] = [];
  const options = { useProtoFieldName: true, alwaysEmitImplicit: false };
  collectChanges('', toJson(schema, before, options), toJson(schema, after, options), changes);
  return changes;
}

function collectChanges(
  path: string,
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  changes: FieldChange[],
): void {
  const left = membersOf(before);
  const right = membersOf(after);
  if (left === undefined || right === undefined) {
    const texts = { before: toText(before), after: toText(after) };
    if (texts.before !== texts.after) changes.push({ field: path, ...texts });
    return;
  }
  for (const name of new Set([...left.keys(), ...right.keys()])) {
    const inner = path === '' ? name : `${path}.${name}`;
    collectChanges(inner, left.get(name), right.get(name), changes);
  }
  // Same members in another order: only lists have one that counts.
  const [oldOrder, newOrder] = [left, right].map((members) => [...members.keys()].join(', '));
  const isList = Array.isArray(before) && Array.isArray(after);
  if (isList && left.size === right.size && oldOrder !== newOrder) {
    const sameMembers = [...left.keys()].every((name) => right.has(name));
    if (sameMembers) changes.push({ field: path, before: oldOrder, after: newOrder });
  }
}

/**
 * The parts of an object or list by name, or `undefined` for a scalar. Members of lists go by their own `name`, or
 * that of the feature view they project; a second one of a name gets a number. Lists of scalars count as scalars.
 */
function membersOf(value: JsonValue | undefined): Map<string, JsonValue | undefined> | undefined {
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item !== 'object')) return undefined;
    const members = new Map<string, JsonValue>();
    for (const item of value) {
      const name = nameOf(item);
      let key = name;
      for (let count = 2; members.has(key); count++) key = `${name}#${count}`;
      members.set(key, item);
    }
    return members;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  return new Map(Object.entries(value));
}

function nameOf(item: JsonValue): string {
  if (typeof item === 'string') return item;
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return JSON.stringify(item);
  const object: JsonObject = item;
  const alias = object['feature_view_name_alias'];
  const name = object['name'] ?? alias ?? object['feature_view_name'];
  return typeof name === 'string' ? name : JSON.stringify(item);
}

/** Short text of a value: a feature is its type, other objects their JSON. */
function toText(value: JsonValue | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(nameOf).join(', ');
  if (typeof value === 'object' && value !== null) {
    const { name, value_type: valueType, ...rest } = value;
    if (typeof name === 'string' && Object.keys(rest).length === 0)
      return typeof valueType === 'string' ? valueType : name;
    if (typeof value['feature_view_name'] === 'string') return toText(value['feature_columns']);
  }
  return JSON.stringify(value);
}
