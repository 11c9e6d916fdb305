import type { EntityKeyVersion } from '../feast-encoding/entity-key.ts';
import { isEntityKeyType, valueTypeName } from '../feast-encoding/value-type.ts';
import type { OnlineStore } from '../online-store/online-store.ts';
import type { RegistryDefinitions } from '../registry/registry-model.ts';
import { compileGroups, type CompiledGroups, type FeatureCell } from './compile-groups.ts';
import { compileOnDemandView, computedGroup, placeFeatures } from './compile-on-demand.ts';
import { encodeMetadataField } from './encode-metadata.ts';
import {
  DUMMY_JOIN_KEY,
  locateJoinKeys,
  nameEntityColumns,
  type EntityColumns,
  type JoinKeySource,
} from './entity-columns.ts';
import { expandOnDemand } from './expand-on-demand.ts';
import { refuseOnDemandViews, type FunctionRunners } from './refuse-on-demand.ts';
import { requestedObjects } from './requested-objects.ts';
import { resolveSelection, type RequestedView } from './resolve-selection.ts';
import { unsupportedJoinKeyType } from './retrieval-errors.ts';
import type { EntityColumnPlan, RetrievalPlan, ViewVersion } from './retrieval-plan.ts';
import type { Selection } from './retrieval-request.ts';
import { compileVectorPlan } from './vector-plan.ts';

/** What a selection is compiled against. */
export interface CompileContext {
  readonly snapshot: RegistryDefinitions;
  readonly store: OnlineStore;
  readonly entityKeyVersion: EntityKeyVersion;
  readonly readEntitylessPushes: boolean;
  readonly maxFeatures: number;
  /** As `LookUpRules` has it. */
  readonly suggests: boolean;
  readonly runners: FunctionRunners;
}

/** Rough costs in memory: of an output column, and of a cell of a prepared read. */
const BYTES_PER_COLUMN = 128;
const BYTES_PER_CELL = 64;
const BYTES_PER_PLAN = 2048;

/**
 * Compiles a selection against the definitions of a registry. Called once per selection as long as what it looks up stays, so
 * nothing in here is hot.
 *
 * @throws SideboardError whatever is wrong with the selection, see `resolveSelection`, `locateJoinKeys` and
 *   `refuseOnDemandViews`; UNSUPPORTED_JOIN_KEY_TYPE
 */
export function compilePlan(selection: Selection, context: CompileContext): RetrievalPlan {
  const { snapshot } = context;
  const resolved = resolveSelection(selection, snapshot, context);
  const expanded = expandOnDemand(resolved, snapshot);
  const columns = nameEntityColumns(selection.entityColumnNames, expanded.read.views, snapshot);
  const joinKeys = locateJoinKeys(expanded.read.views, columns, selection.entityColumnNames);
  refuseOnDemandViews(expanded.computed, selection, context);
  refuseUnsupportedJoinKeys(joinKeys);

  const entityColumns = listEntityColumns(joinKeys, columns);
  const compiled = compileGroups(expanded.read, joinKeys, {
    project: snapshot.project,
    store: context.store,
    entityKeyVersion: context.entityKeyVersion,
    readEntitylessPushes: context.readEntitylessPushes,
    entityColumnOf: (source) => entityColumns.indexOf(source),
  });
  const outputNames = [
    ...entityColumns.outputs.keys(),
    ...resolved.features.map(({ outputName }) => outputName),
  ];
  const viewVersions = selection.includeVersionMetadata ? listViewVersions(resolved.views) : [];
  const metadataField = encodeMetadataField(outputNames, viewVersions);
  const cells = placeFeatures(expanded, compiled);
  const plan: RetrievalPlan = Object.freeze({
    outputNames,
    entityColumns: entityColumns.plans,
    entityOutputs: [...entityColumns.outputs.values()],
    groups: compiled.groups,
    ...alignFeatures(cells, entityColumns.outputs.size),
    metadataField,
    viewVersions,
    vectors:
      expanded.computed.length === 0
        ? compileVectorPlan(selection, resolved, compiled, context)
        : undefined,
    onDemand: undefined,
    requested: requestedObjects(selection, snapshot),
    sizeBytes: approximateSize(outputNames, metadataField, compiled),
  });
  if (expanded.computed.length === 0) return plan;
  const keyInputs = new Map(
    Array.from(entityColumns.outputs, ([name, column]) => [
      name,
      { column, valueType: entityColumns.plans[column]!.valueType },
    ]),
  );
  const answer = { ...plan, groups: [...plan.groups, ...expanded.computed.map(computedGroup)] };
  const views = expanded.computed.map((view) =>
    compileOnDemandView(view, compiled, keyInputs, selection),
  );
  const onDemand = Object.freeze({
    project: snapshot.project,
    views,
    inputCount: views.reduce((sum, { inputs }) => sum + inputs.length, 0),
    answer: Object.freeze(answer),
  });
  return Object.freeze({ ...plan, onDemand });
}

/** The distinct uses of request columns, and which of them are columns of the answer. */
interface ListedEntityColumns {
  readonly plans: readonly EntityColumnPlan[];
  /** Output name → index into `plans`, in order of the answer. */
  readonly outputs: ReadonlyMap<string, number>;
  readonly indexOf: (source: JoinKeySource) => number;
}

function listEntityColumns(
  joinKeys: readonly ReadonlyMap<string, JoinKeySource>[],
  columns: EntityColumns,
): ListedEntityColumns {
  const plans: EntityColumnPlan[] = [];
  const indexes = new Map<string, number>();
  const outputTypes = new Map<string, number>();
  const add = (name: string, valueType: number, isJoinKey: boolean): number => {
    const requestColumn = columns.get(name)!;
    const id = JSON.stringify([requestColumn, valueType, isJoinKey]);
    const index = indexes.get(id) ?? plans.push({ requestColumn, valueType, isJoinKey }) - 1;
    indexes.set(id, index);
    return index;
  };
  for (const { columnName, valueType } of joinKeys.flatMap((sources) => [...sources.values()])) {
    // Views may declare one column with different types; the answer then shows the last one's, as Feast does.
    if (columnName !== DUMMY_JOIN_KEY) outputTypes.set(columnName, valueType);
  }
  const outputs = new Map<string, number>();
  for (const name of columns.keys()) {
    if (name === DUMMY_JOIN_KEY) continue;
    outputs.set(name, add(name, outputTypes.get(name) ?? 0, outputTypes.has(name)));
  }
  for (const { columnName, valueType } of joinKeys.flatMap((sources) => [...sources.values()])) {
    if (columnName !== DUMMY_JOIN_KEY) add(columnName, valueType, true);
  }
  return {
    plans,
    outputs,
    indexOf: ({ columnName, valueType }) => add(columnName, valueType, true),
  };
}

function refuseUnsupportedJoinKeys(joinKeys: readonly ReadonlyMap<string, JoinKeySource>[]): void {
  for (const [joinKey, { valueType }] of joinKeys.flatMap((sources) => [...sources])) {
    if (valueType !== 0 && !isEntityKeyType(valueType)) {
      throw unsupportedJoinKeyType(joinKey, valueTypeName(valueType));
    }
  }
}

function alignFeatures(
  cells: readonly FeatureCell[],
  entityOutputCount: number,
): Pick<RetrievalPlan, 'groupOfColumn' | 'viewOfColumn' | 'cellOfColumn'> {
  const groupOfColumn = new Int32Array(entityOutputCount + cells.length).fill(-1);
  const viewOfColumn = groupOfColumn.slice();
  const cellOfColumn = groupOfColumn.slice();
  for (const [index, { group, view, cell }] of cells.entries()) {
    groupOfColumn[entityOutputCount + index] = group;
    viewOfColumn[entityOutputCount + index] = view;
    cellOfColumn[entityOutputCount + index] = cell;
  }
  return { groupOfColumn, viewOfColumn, cellOfColumn };
}

/** Each view and version once, in order of first mention, under the view's own name. */
function listViewVersions(views: readonly RequestedView[]): readonly ViewVersion[] {
  const distinct = new Map<string, ViewVersion>();
  for (const { definition, version } of views) {
    const { name } = definition;
    const id = JSON.stringify([name, version]);
    if (!distinct.has(id)) distinct.set(id, { name, version });
  }
  return [...distinct.values()];
}

function approximateSize(
  outputNames: readonly string[],
  metadataField: Uint8Array,
  { groups }: CompiledGroups,
): number {
  const cells = groups.reduce((sum, { prepared }) => sum + prepared.width, 0);
  return (
    BYTES_PER_PLAN +
    3 * metadataField.length +
    BYTES_PER_COLUMN * outputNames.length +
    BYTES_PER_CELL * cells
  );
}
