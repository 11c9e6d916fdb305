import type { Command } from 'commander';
import type { MaterializationScope } from '../ingestion/materialize.ts';
import { cliConfig, printJson } from './context.ts';

/** Flags that `materialize` and `materialize-incremental` share. */
export interface MaterializeFlags {
  readonly views?: readonly string[];
  readonly version?: string;
  readonly strict?: boolean;
  readonly json?: boolean;
}

/** `sideboard materialize`: sources -> online store, for a window of event time. */
export function registerMaterialize(program: Command): void {
  const command = program
    .command('materialize')
    .summary('load a window of event time from the sources into the online store')
    .description(
      "Reads the rows of each feature view's source whose event timestamps lie between START and END, both included, and writes the latest one per entity to the online store. Moments are ISO 8601; without offset they are UTC. Killing it and running it again leaves the same store: what Redis already holds as new or newer is skipped.",
    )
    .argument('[start]', 'start of the window, such as 2021-07-16T19:20:01')
    .argument('[end]', 'end of the window')
    .option(
      '--disable-event-timestamp',
      'all data, from 1970-01-01 up to now, without START and END; rows keep their event timestamps',
    );
  addMaterializeFlags(command).action(
    async (
      start: string | undefined,
      end: string | undefined,
      options: MaterializeFlags & { disableEventTimestamp?: boolean },
    ) => {
      const scope = await windowScope(start, end, options.disableEventTimestamp ?? false);
      await runMaterialize(command, scope, options);
    },
  );
}

/** Adds the flags that both commands have, and their help. */
export function addMaterializeFlags(command: Command): Command {
  return command
    .option('-v, --views <view>', 'a feature view to materialize; again for more', collect)
    .option('--version <version>', 'that version of the one view that is named, such as v2')
    .option('--strict', 'fail a view at its first bad row and record nothing for it')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', HELP);
}

const HELP = `
A bad row has no event timestamp, no join key, or a value that does not fit its declared type. Bad rows are left out,
counted and named by file and row; --strict makes them an error.

Exit codes: 0 materialized (bad rows are reported); 1 a source or the store failed, or --strict met a bad row;
2 the configuration or an argument is wrong.`;

/** Runs one materialization with a progress bar and prints what came of it. */
export async function runMaterialize(
  command: Command,
  scope: MaterializationScope,
  flags: MaterializeFlags,
): Promise<void> {
  const config = cliConfig(command);
  const { runMaterialization } = await import('./run-materialization.ts');
  const { createProgressDisplay } = await import('./materialization-progress.ts');
  const display = createProgressDisplay();
  try {
    const result = await runMaterialization({
      config,
      scope,
      viewNames: flags.views,
      version: flags.version,
      strict: flags.strict,
      onProgress: display.update,
    });
    display.stop();
    if (config.registry.kind !== 'file') {
      process.stderr.write(
        `sideboard: the intervals were not recorded: a registry of kind ${config.registry.kind} is only read here\n`,
      );
    }
    const { formatMaterialization, materializationJson } =
      await import('./print-materialization.ts');
    if (flags.json === true) {
      printJson(materializationJson(result));
    } else {
      process.stdout.write(formatMaterialization(result));
    }
  } finally {
    display.stop();
  }
}

async function windowScope(
  start: string | undefined,
  end: string | undefined,
  disableEventTimestamp: boolean,
): Promise<MaterializationScope> {
  const { materializationWindow, parseMoment } =
    await import('../ingestion/materialization-window.ts');
  const { invalidMaterialization } = await import('../ingestion/ingestion-error.ts');
  if (disableEventTimestamp) {
    if (start !== undefined) {
      throw invalidMaterialization('START and END cannot be given with --disable-event-timestamp');
    }
    return { kind: 'window', window: materializationWindow(0n, BigInt(Date.now()) * 1_000_000n) };
  }
  if (start === undefined || end === undefined) {
    throw invalidMaterialization(
      'START and END are needed, unless --disable-event-timestamp is given',
    );
  }
  return {
    kind: 'window',
    window: materializationWindow(parseMoment(start, 'START'), parseMoment(end, 'END')),
  };
}

function collect(view: string, views: readonly string[] = []): readonly string[] {
  return [...views, view];
}
