import type { Command } from 'commander';
import { EXIT, cliConfig, printJson } from './context.ts';

/** The flags, as commander hands them over. */
interface HistoricalFeaturesFlags {
  readonly output?: string;
  readonly features?: string;
  readonly featureService?: string;
  readonly fullFeatureNames?: true;
  readonly eventTimestampColumn?: string;
  readonly filterByCreatedTimestamp?: true;
  readonly overwrite?: true;
  readonly strict?: true;
  readonly memoryLimit?: string;
  readonly tempDirectory?: string;
  readonly plan?: true;
  readonly json?: true;
}

const HELP = `
ENTITY_ROWS is a Parquet or CSV file, a folder of them, or a pattern. Each row says for whom and when: the join keys of the
feature views, and an event timestamp (column event_timestamp, else the only column of timestamps). Other columns, such as
labels, stay beside the features. Every row stays, in its place; a feature is null where nothing was known at that moment,
or only values older than the view's TTL.

Which value was known: of the source rows of that entity with an event timestamp not after the row's, the one with the
greatest, then the greatest created timestamp. --filter-by-created-timestamp also wants it created by then, so that values
which were loaded late do not leak into the training set.

Examples:
  $ sideboard -c my_repo historical-features loans.parquet -o training.parquet --feature-service loan_decision
  $ sideboard historical-features 'events/*.parquet' -o train.parquet --features driver_stats:conv_rate,driver_stats:acc_rate
  $ sideboard historical-features loans.csv --feature-service loan_decision --plan

Exit codes: 0 written; 1 a source or the output failed, or --strict met a bad row; 2 the configuration, the entity rows or an
argument is wrong.`;

/** `sideboard historical-features`: entity rows + the features that were known then -> Parquet, to train with. */
export function registerHistoricalFeatures(program: Command): void {
  const command = program
    .command('historical-features')
    .summary('join features to entity rows as they were known then, to train with')
    .description(
      'Joins features to entity rows as they were known at the event timestamp of each row, and writes a Parquet file.',
    )
    .argument('<entity-rows>', 'Parquet or CSV: a file, a folder, or a pattern')
    .option('-o, --output <file>', 'the Parquet file to write')
    .option('--feature-service <name>', 'the features of a feature service')
    .option('--features <refs>', 'features by reference: view:feature,view:feature')
    .option('--full-feature-names', 'name features view__feature')
    .option('--event-timestamp-column <name>', 'the column of entity rows that says when')
    .option('--filter-by-created-timestamp', 'leave out values that were created later than that')
    .option('--overwrite', 'replace the output file')
    .option('--strict', 'fail at the first bad row of a source')
    .option('--memory-limit <size>', 'what the join may hold in memory (default 2GB)')
    .option('--temp-directory <dir>', 'where it puts the rest (default: the system’s)')
    .option('--plan', 'say what would be joined, and join nothing')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', HELP);
  command.action(async (entityRows: string, flags: HistoricalFeaturesFlags) => {
    await runHistoricalFeatures(command, entityRows, flags);
  });
}

async function runHistoricalFeatures(
  command: Command,
  entityRows: string,
  flags: HistoricalFeaturesFlags,
): Promise<void> {
  if (flags.output === undefined && flags.plan === undefined) {
    process.stderr.write('sideboard: say where to write with -o FILE, or ask for the --plan\n');
    process.exitCode = EXIT.invalid;
    return;
  }
  const config = cliConfig(command);
  const { getHistoricalFeatures } = await import('../historical-features.ts');
  const { createTrainingProgress } = await import('./training-progress.ts');
  const { formatHistoricalFeatures, formatTrainingPlan, historicalFeaturesJson } =
    await import('./print-historical-features.ts');
  const display = createTrainingProgress();
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    const result = await getHistoricalFeatures({
      config,
      entityRows,
      output: flags.plan === true ? undefined : flags.output,
      features: flags.features?.split(',').filter((reference) => reference !== ''),
      featureService: flags.featureService,
      fullFeatureNames: flags.fullFeatureNames,
      eventTimestampColumn: flags.eventTimestampColumn,
      filterByCreatedTimestamp: flags.filterByCreatedTimestamp,
      overwrite: flags.overwrite,
      strict: flags.strict,
      memoryLimit: flags.memoryLimit,
      temporaryDirectory: flags.tempDirectory,
      onProgress: display.update,
      signal: stop.signal,
    });
    display.stop();
    if (flags.json === true) {
      printJson(historicalFeaturesJson(result));
    } else {
      const format = flags.plan === true ? formatTrainingPlan : formatHistoricalFeatures;
      process.stdout.write(format(result));
    }
  } finally {
    display.stop();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}
