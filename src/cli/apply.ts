import type { Command } from 'commander';
import { cliConfig, printJson } from './context.ts';

/** `sideboard apply`: definitions -> registry and online store. */
export function registerApply(program: Command): void {
  program
    .command('apply')
    .summary('write the definitions of the feature repository into the registry')
    .description(
      'Imports the TypeScript files of the feature repository, compares what they define with the registry, and makes the registry say the same: objects of this project are created, updated and deleted, other projects stay as they are. Applying twice changes nothing. Tables of the SQLite online store are created and dropped along.',
    )
    .option('--dry-run', 'only say what would change, as plan does')
    .option('--json', 'print the changes as JSON')
    .addHelpText('after', HELP)
    .action(async (options: { dryRun?: boolean; json?: boolean }, command: Command) => {
      await runApply(command, { dryRun: options.dryRun ?? false, json: options.json ?? false });
    });
}

const HELP = `
Examples:
  $ sideboard -c examples/loan-approval apply
  $ sideboard -c my_repo apply --json | jq '.changes[] | .action + " " + .name'

Exit codes: 0 applied, or nothing to change; 1 the registry or the store cannot be written; 2 a definition is wrong.`;

/** What `apply` and `plan` share. */
export async function runApply(
  command: Command,
  options: { readonly dryRun: boolean; readonly json: boolean },
): Promise<void> {
  const config = cliConfig(command);
  const { applyFeatureRepository } = await import('./apply-feature-repository.ts');
  const report = await applyFeatureRepository(config, { dryRun: options.dryRun });
  if (options.json) {
    printJson(report);
    return;
  }
  const { formatPlan } = await import('./print-plan.ts');
  process.stdout.write(formatPlan(report));
}
