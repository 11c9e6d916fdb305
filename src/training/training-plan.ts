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
  /** Names of the columns of the result, in order: those of the entity rows, then the features. */
  readonly outputColumns: readonly string[];
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
  { features }: JoinSelection,
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
    outputColumns: [...entities.types.keys(), ...features.map(({ outputName }) => outputName)],
  };
}
