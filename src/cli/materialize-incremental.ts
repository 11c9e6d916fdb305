import type { Command } from 'commander';
import { addMaterializeFlags, runMaterialize } from './materialize.ts';
import type { MaterializeFlags } from './materialize.ts';

/** `sideboard materialize-incremental`: sources -> online store, from where the last run ended. */
export function registerMaterializeIncremental(program: Command): void {
  const command = program
    .command('materialize-incremental')
    .summary('load what came since the last run from the sources into the online store')
    .description(
      'As materialize, with a start of its own for each feature view: the latest end of what was materialized, else one TTL before now, else (no TTL) 52 weeks before now. A view that was materialized beyond END is left out.',
    )
    .argument('<end>', 'end of the window, such as 2021-07-16T19:20:01 (UTC)');
  addMaterializeFlags(command).action(async (end: string, options: MaterializeFlags) => {
    const { parseMoment } = await import('../ingestion/materialization-window.ts');
    const endNs = parseMoment(end, 'END');
    const nowNs = BigInt(Date.now()) * 1_000_000n;
    await runMaterialize(command, { kind: 'incremental', endNs, nowNs }, options);
  });
}
