import type { PreparedJoin } from './prepare-join.ts';
import type { EntityRows } from './entity-rows.ts';
import type { JoinSelection } from './select-joins.ts';

/** What a join is going to do, known before it reads a row. */
export interface TrainingPlan {
  /** Files of the entity rows. */
  readonly entityFiles: readonly string[];
  readonly rowCount: number;
  readonly eventTimestampColumn: string;
  /** In the order in which they run. */
  readonly joins: readonly PlannedJoin[];
  /** On-demand views, computed from what was joined. */
  readonly computed: readonly PlannedComputation[];
  /** Names of the columns of the result, in order: those of the entity rows, then the features. */
  readonly outputColumns: readonly string[];
}

/** One on-demand view of a plan. */
export interface PlannedComputation {
  readonly name: string;
  readonly featureNames: readonly string[];
  /** Names of the views that it is computed from. */
  readonly sourceNames: readonly string[];
  /** Columns of the entity rows that it takes as request data. */
  readonly requestColumns: readonly string[];
}

/** One feature view of a plan. */
export interface PlannedJoin {
  readonly name: string;
  readonly sourceName: string;
  readonly sourceFiles: readonly string[];
  /** Column of the entity rows = join key of the view. */
  readonly joinKeys: readonly { readonly entityColumn: string; readonly joinKey: string }[];
  readonly featureNames: readonly string[];
  /** 0 = no limit. */
  readonly ttlSeconds: number;
  /** Column that decides among rows with equal event timestamps; '' = none. */
  readonly createdTimestampField: string;
}

/** Describes what a join is going to do. */
export function describePlan(
  entities: EntityRows,
  joins: readonly PreparedJoin[],
  { computed, features }: JoinSelection,
): TrainingPlan {
  return {
    entityFiles: entities.files.paths,
    rowCount: entities.rowCount,
    eventTimestampColumn: entities.eventTimestampColumn,
    joins: joins.map(({ selected, files }) => ({
      name: selected.name,
      sourceName: selected.source.name,
      sourceFiles: files.origins ?? files.paths,
      joinKeys: selected.view.joinKeys.map(({ name }, i) => ({
        entityColumn: selected.entityColumns[i]!,
        joinKey: name,
      })),
      featureNames: selected.view.features.map(({ name }) => name),
      ttlSeconds: selected.view.ttlSeconds,
      createdTimestampField: selected.source.createdTimestampField,
    })),
    computed: computed.map(({ view, joins: sources }) => ({
      name: view.requested.nameToUse,
      featureNames: view.outputs.map(({ name }) => name),
      sourceNames: sources.map((source) => joins[source]!.selected.name),
      requestColumns: view.requestFields.map(({ name }) => name),
    })),
    outputColumns: [...entities.types.keys(), ...features.map(({ outputName }) => outputName)],
  };
}
