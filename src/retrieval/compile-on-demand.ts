import type { FieldDefinition } from '../registry/registry-model.ts';
import type { PreparedRead } from '../online-store/online-store.ts';
import type { CompiledGroups, FeatureCell } from './compile-groups.ts';
import type { ComputedView, ExpandedSelection } from './expand-on-demand.ts';
import type { InputSource, OnDemandInput, OnDemandViewPlan } from './on-demand-plan.ts';
import type { EntityGroupPlan } from './retrieval-plan.ts';
import type { Selection } from './retrieval-request.ts';

/** A group whose entities are the rows of the request: the outputs of one on-demand view. Nothing is read for it. */
export function computedGroup({ requested, outputs }: ComputedView): EntityGroupPlan {
  const { name } = requested.definition;
  const prepared: PreparedRead = { keySuffix: new Uint8Array(0), width: outputs.length + 1 };
  return {
    keyColumns: new Int32Array(0),
    keyPrefix: new Uint8Array(0),
    fallbackKey: undefined,
    prepared,
    views: [
      {
        name,
        featureNames: outputs.map((output) => output.name),
        firstCell: 0,
        timestampCell: outputs.length,
        ttlSeconds: 0,
      },
    ],
  };
}

/** The cell of each requested feature: those that are read, and those of the groups that follow them. */
export function placeFeatures(
  { places }: ExpandedSelection,
  { groups, cells }: CompiledGroups,
): readonly FeatureCell[] {
  return places.map((place) =>
    place.kind === 'read'
      ? cells[place.feature]!
      : { group: groups.length + place.view, view: 0, cell: place.output },
  );
}

/**
 * The columns that the function of an on-demand view gets: the features of its sources as `view__feature` (Feast adds the
 * short names), the join keys, and the request's data.
 *
 * @param entityOutputs join key → index into the plan's entity columns.
 */
export function compileOnDemandView(
  { requested, outputs, inputs, requestFields }: ComputedView,
  { cells }: CompiledGroups,
  entityOutputs: ReadonlyMap<string, { readonly column: number; readonly valueType: number }>,
  selection: Selection,
): OnDemandViewPlan {
  const columns = new Map<string, OnDemandInput>();
  const add = (
    { name, valueType }: FieldDefinition,
    source: InputSource,
    shortName?: string,
  ): void => {
    if (!columns.has(name)) columns.set(name, { name, valueType, source, shortName });
  };
  for (const { field, shortName, feature } of inputs) {
    const { group, cell } = cells[feature]!;
    add(field, { kind: 'cell', group, cell }, shortName);
  }
  for (const field of requestFields) {
    const { name } = field;
    const inContext = selection.contextColumnNames.indexOf(name);
    const source: InputSource =
      inContext < 0
        ? { kind: 'request', column: selection.entityColumnNames.indexOf(name) }
        : { kind: 'context', column: inContext };
    add(field, source);
  }
  for (const [name, { column, valueType }] of entityOutputs) {
    add({ name, valueType }, { kind: 'entity', column });
  }
  const { name, onDemand } = requested.definition;
  const inputColumns = [...columns.values()];
  return { viewName: name, functionHash: onDemand?.functionHash, inputs: inputColumns, outputs };
}
