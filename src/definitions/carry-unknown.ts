import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { type ReflectMessage, isReflectMessage, reflect } from '@bufbuild/protobuf/reflect';

/**
 * Copies fields that our protos do not have from the message that a registry holds to the one that takes its place, so
 * that applying with this program loses nothing that a newer Feast wrote. Parts are paired by field; members of lists by
 * their `name`, values of maps by key.
 */
export function carryUnknown<D extends DescMessage>(
  schema: D,
  from: MessageShape<D>,
  to: MessageShape<D>,
): void {
  carry(reflect(schema, from), reflect(schema, to));
}

function carry(from: ReflectMessage, to: ReflectMessage): void {
  const unknown = from.message.$unknown;
  if (unknown !== undefined && unknown.length > 0) to.message.$unknown = [...unknown];
  for (const field of from.fields) {
    if (!from.isSet(field) || !to.isSet(field)) continue;
    if (field.fieldKind === 'message') {
      carry(from.get(field), to.get(field));
    } else if (field.fieldKind === 'list' && field.listKind === 'message') {
      const byName = new Map([...to.get(field)].map((item) => [nameOf(item), item]));
      for (const item of from.get(field)) carryItem(item, byName.get(nameOf(item)));
    } else if (field.fieldKind === 'map' && field.mapKind === 'message') {
      for (const [key, item] of from.get(field)) carryItem(item, to.get(field).get(key));
    }
  }
}

function carryItem(from: unknown, to: unknown): void {
  if (isReflectMessage(from) && isReflectMessage(to)) carry(from, to);
}

function nameOf(item: unknown): unknown {
  if (!isReflectMessage(item)) return item;
  const message = item.message as { name?: string; featureViewName?: string };
  return message.name ?? message.featureViewName ?? '';
}
