import { figure, markdownTable, spreadText } from './markdown.ts';
import type { MaterializeCost, MaterializeFigures } from '../parts/materialize.ts';
import type { WriteFigures } from '../parts/writes.ts';

const WRITE_NOTES = `Rows of ten features (integers, floats, texts) into one Redis; every row is a newer event of one of 10,000 entities, so each is
compared and written. *push* is \`Push\` over gRPC with \`typed_features\`, *JSON push* \`POST /push\`, *stream* one call of
\`sideboard.v1.IngestService\`. A sample of the rows is read back and compared after every measurement.`;

const MATERIALIZE_NOTES = `One Parquet file into an empty store. *job* is what follows once the program is loaded: Feast's \`FeatureStore.materialize\`, our
\`duration_ms\`; *process* is from the start of the process to its end, imports and all. A sample of the rows is read back and compared.`;

/** The ways to write beside each other, in the order they were measured. */
export function writesTable(figures: readonly WriteFigures[]): string {
  const rows = figures.map((each) => [
    each.way,
    String(each.rowsPerRequest),
    String(each.concurrency),
    spreadText(each.rowsPerSecond),
    spreadText(each.cpuUsPerRow),
    figure(each.redisUsPerRow.median),
  ]);
  const head = ['way', 'rows per request', 'requests under way', 'rows/s', 'CPU us/row'];
  head.push('Redis CPU us/row');
  return `${WRITE_NOTES}\n\n${markdownTable(head, rows)}`;
}

/** Feast's SDK and us, store by store. */
export function materializeTable(figures: readonly MaterializeFigures[]): string {
  const rows = figures.map((each) => {
    const values = each.rows * each.features;
    const cells = (cost: MaterializeCost): string[] => [
      spreadText(cost.jobSeconds),
      figure(values / cost.jobSeconds.median),
      figure(cost.seconds.median),
      figure(cost.cpuSeconds.median),
    ];
    const { feast, sideboard } = each;
    return [
      each.store,
      `${each.rows.toLocaleString('en')} x ${each.features}`,
      ...cells(feast),
      ...cells(sideboard),
      `${figure(feast.jobSeconds.median / sideboard.jobSeconds.median)} times`,
      `${figure(feast.seconds.median / sideboard.seconds.median)} times`,
    ];
  });
  const columns = (who: string): string[] => [`${who}: job, s`, 'values/s', 'process, s', 'CPU s'];
  const head = ['store', 'rows x features', ...columns('Feast'), ...columns('sideboard')];
  head.push('job', 'process');
  const limits = figures.flatMap(({ store, storeSeconds, feast }) =>
    storeSeconds === undefined
      ? []
      : [
          `\n\n${store} alone, copying the finished rows from one file of Feast's schema into another, takes ${spreadText(storeSeconds)} s: with nothing to read, convert or compare one would be ${figure(feast.jobSeconds.median / storeSeconds.median)} times as fast as Feast's job.`,
        ],
  );
  return `${MATERIALIZE_NOTES}\n\n${markdownTable(head, rows)}${limits.join('')}`;
}
