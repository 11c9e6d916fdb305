import type { RegistryDefinitions } from '../registry/registry-model.ts';
import { ambiguousJoinKey, invalidRequest, missingJoinKeys } from './retrieval-errors.ts';
import type { RequestedView } from './resolve-selection.ts';

/** Join key of views without entities; nobody has to send it, nobody gets it back. */
export const DUMMY_JOIN_KEY = '__dummy_id';

/**
 * The entity columns of a request under the names that views know them by: name in the answer (a join key, or the alias
 * of one) → index of its request column, in order of the answer.
 */
export type EntityColumns = ReadonlyMap<string, number>;

/**
 * Finds out what each entity column of a request is. Besides join keys and their aliases, entity names are accepted and
 * answered as the join key; where both come, the last one counts. Join keys of other views are entity columns too
 * (echoed, not used); anything else is not.
 *
 * @param entityColumnNames in request order.
 */
export function nameEntityColumns(
  entityColumnNames: readonly string[],
  views: readonly RequestedView[],
  snapshot: RegistryDefinitions,
): EntityColumns {
  const known = new Set<string>();
  for (const { joinKey } of snapshot.entities.values()) known.add(joinKey);
  for (const view of views) {
    for (const { name } of view.definition.joinKeys) {
      known.add(name);
      known.add(view.joinKeyMap.get(name) ?? name);
    }
  }
  const indexByName = new Map<string, number>();
  for (const [index, name] of entityColumnNames.entries()) {
    const joinKey = known.has(name) ? name : snapshot.entities.get(name)?.joinKey;
    if (joinKey !== undefined) indexByName.set(joinKey, index);
  }
  return indexByName;
}

/** Where one join key of a view comes from. */
export interface JoinKeySource {
  /** Name of the entity column; `DUMMY_JOIN_KEY` = none, the value is always "". */
  readonly columnName: string;
  readonly valueType: number;
}

/**
 * For each view its join keys with the columns that they are read from. A view with a join key map also accepts the join
 * key under its own name, but not beside the column that the map names.
 *
 * @returns one map per view, join key → source.
 * @throws SideboardError MISSING_JOIN_KEY naming all that are missing, AMBIGUOUS_JOIN_KEY, INVALID_REQUEST where there is
 *   no column to count rows by
 */
export function locateJoinKeys(
  views: readonly RequestedView[],
  columns: EntityColumns,
  entityColumnNames: readonly string[],
): readonly ReadonlyMap<string, JoinKeySource>[] {
  const ownNames = new Set<string>();
  for (const view of views) {
    for (const { name } of view.definition.joinKeys) {
      if ((view.joinKeyMap.get(name) ?? name) === name) ownNames.add(name);
    }
  }
  const missing = new Set<string>();
  const located = views.map((view) => {
    const sources = new Map<string, JoinKeySource>();
    for (const { name, valueType } of view.definition.joinKeys) {
      const columnName = locateJoinKey(view, name, columns, ownNames);
      if (columnName === undefined) missing.add(view.joinKeyMap.get(name) ?? name);
      else sources.set(name, { columnName, valueType });
    }
    return sources;
  });
  if (missing.size > 0) throw missingJoinKeys([...missing], entityColumnNames);
  if (entityColumnNames.length === 0) {
    throw invalidRequest(
      'it has no entity column; one of any name is needed to say how many rows to answer',
    );
  }
  return located;
}

function locateJoinKey(
  view: RequestedView,
  joinKey: string,
  columns: EntityColumns,
  ownNames: ReadonlySet<string>,
): string | undefined {
  if (joinKey === DUMMY_JOIN_KEY) return DUMMY_JOIN_KEY;
  const mapped = view.joinKeyMap.get(joinKey) ?? joinKey;
  if (!columns.has(mapped)) return columns.has(joinKey) ? joinKey : undefined;
  if (mapped !== joinKey && columns.has(joinKey) && !ownNames.has(joinKey)) {
    throw ambiguousJoinKey(view.nameToUse, joinKey, mapped);
  }
  return mapped;
}
