import { serializeEntityKey } from '../../src/feast-encoding/entity-key.ts';
import { entityKeyVersion } from './golden-store.ts';
import type { GoldenCase } from './golden-case.ts';
import { convertLossless, isKeyType, type EntityValue } from './golden-question.ts';
import type { RequestedOutput, ViewUse } from './golden-registry.ts';

/** Where one join key of a view comes from. */
export interface KeySource {
  readonly joinKey: string;
  /** Declared. */
  readonly valueType: number;
  /** Name in the answer: a join key or an alias of one. */
  readonly columnName: string;
  /** As sent, one per row. */
  readonly values: readonly EntityValue[];
}

/** The columns of a request under the names that they have in the answer, in its order; all others left out. */
export function namedColumns(golden: GoldenCase): ReadonlyMap<string, readonly EntityValue[]> {
  const { registry, sent = new Map<string, readonly EntityValue[]>() } = golden;
  const known = new Set([
    ...registry.joinKeyByEntityName.values(),
    ...neededViews(golden).flatMap(({ viewName, joinKeyMap }) => [
      ...(registry.views.get(viewName)?.joinKeys.keys() ?? []),
      ...Object.values(joinKeyMap),
    ]),
  ]);
  known.delete('__dummy_id');
  const named = new Map<string, readonly EntityValue[]>();
  for (const [name, values] of sent) {
    const joinKey = known.has(name) ? name : registry.joinKeyByEntityName.get(name);
    if (joinKey !== undefined && joinKey !== '__dummy_id') named.set(joinKey, values);
  }
  return named;
}

/** The sources of the join keys of the output's view, as far as the request has them; sorted as keys are. */
export function keySources(
  golden: GoldenCase,
  { viewName, joinKeyMap }: ViewUse,
): readonly KeySource[] {
  const named = namedColumns(golden);
  const joinKeys = golden.registry.views.get(viewName)?.joinKeys ?? new Map<string, number>();
  return [...joinKeys].flatMap(([joinKey, valueType]) => {
    const columnName = [joinKeyMap[joinKey] ?? joinKey, joinKey].find((name) => named.has(name));
    if (columnName === undefined) return [];
    return { joinKey, valueType, columnName, values: named.get(columnName)! };
  });
}

/** The views that are asked for, and those that on-demand views are computed of. */
function neededViews({ outputs = [], registry }: GoldenCase): readonly ViewUse[] {
  return outputs.flatMap(
    (output) => registry.onDemandViews.get(output.viewName)?.sources ?? [output],
  );
}

/** All join keys that the request gives values for. */
export function allKeySources(golden: GoldenCase): readonly KeySource[] {
  return neededViews(golden).flatMap((use) => keySources(golden, use));
}

/** Join keys of the requested views, by the names that callers know them by, that the request has no column for. */
export function missingJoinKeys(golden: GoldenCase): readonly string[] {
  return neededViews(golden).flatMap((use) => {
    const given = new Set(keySources(golden, use).map(({ joinKey }) => joinKey));
    const wanted = golden.registry.views.get(use.viewName)?.joinKeys.keys() ?? [];
    return [...wanted]
      .filter((joinKey) => !given.has(joinKey))
      .map((joinKey) => use.joinKeyMap[joinKey] ?? joinKey);
  });
}

/** The first value that decision 4 does not convert; `undefined` = there is none. */
export function lossyValue(
  golden: GoldenCase,
): { readonly columnName: string; readonly row: number } | undefined {
  for (const { columnName, valueType, values } of allKeySources(golden)) {
    if (!isKeyType(valueType)) continue;
    const row = values.findIndex((value) => convertLossless(value, valueType) === undefined);
    if (row >= 0) return { columnName, row };
  }
  return undefined;
}

/**
 * The key of the entity that a row of the request asks for the output's view.
 *
 * @returns `null` where one of the values is null
 * @throws where a value cannot be converted
 */
export function entityKey(
  golden: GoldenCase,
  output: RequestedOutput,
  row: number,
): Uint8Array | null {
  const version = entityKeyVersion(golden.variant);
  const sources = keySources(golden, output);
  if (sources.length === 0) {
    return serializeEntityKey(['__dummy_id'], [{ type: 2, value: '' }], version);
  }
  const values = sources.map(({ valueType, values: sent }) =>
    convertLossless(sent[row]!, valueType),
  );
  if (values.some((value) => value?.kind === 'null')) return null;
  return serializeEntityKey(
    sources.map(({ joinKey }) => joinKey),
    values.map((value, index) => {
      const { valueType } = sources[index]!;
      const held = value!.value as string | bigint | Uint8Array;
      return { type: valueType, value: valueType === 3 ? Number(held) : held };
    }),
    version,
  );
}
