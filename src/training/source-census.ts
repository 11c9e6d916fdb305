import type { ScratchConnection } from '../ingestion/scratch-connection.ts';
import { MAX_NAMED_ROWS } from '../ingestion/bad-rows.ts';
import type { BadRowKind, BadRows } from '../ingestion/bad-rows.ts';
import type { RowPosition } from '../ingestion/source-relation.ts';
import { compilePositions, compileSourceCensus, noJoinKey } from './join-queries.ts';
import type { JoinExpressions } from './join-queries.ts';
import type { PreparedJoin } from './prepare-join.ts';

/** Rows of a source, and those that a join leaves out. */
export interface SourceCensus {
  readonly rowCount: number;
  readonly badRows: readonly BadRows[];
}

/** Counts the rows of a source, and counts and names those that no join can use. Values are never named. */
export async function takeCensus(
  connection: ScratchConnection,
  { selected, source, features }: PreparedJoin,
  join: JoinExpressions,
): Promise<SourceCensus> {
  const misfits = features.flatMap(({ misfit }, i) =>
    misfit === undefined ? [] : { misfit, feature: selected.view.features[i]!.name },
  );
  const counted = await connection.runAndReadAll(
    compileSourceCensus(
      join,
      misfits.map(({ misfit }) => misfit),
    ),
  );
  const [rowCount, noTimestamp, noKey, ...misfitCounts] = counted.getRows()[0]!.map(Number);
  const badRows: BadRows[] = [];
  if (source.malformedLineCount > 0) {
    badRows.push({
      kind: 'malformed_line',
      count: source.malformedLineCount,
      first: source.malformedLines,
    });
  }
  const name = async (kind: BadRowKind, count: number, condition: string, feature?: string) => {
    if (count === 0) return;
    const found = await connection.runAndReadAll(compilePositions(join.relation, condition), [
      MAX_NAMED_ROWS,
    ]);
    const first: RowPosition[] = [];
    for (const position of found.getRows()) first.push(await source.locate(position));
    badRows.push({ kind, count, first, ...(feature === undefined ? {} : { feature }) });
  };
  await name('no_event_timestamp', noTimestamp!, `${join.eventTimestamp} IS NULL`);
  await name('no_join_key', noKey!, noJoinKey(join));
  for (const [i, { misfit, feature }] of misfits.entries()) {
    await name('value_does_not_fit', misfitCounts[i]!, misfit, feature);
  }
  return { rowCount: rowCount!, badRows };
}
