import type { Command } from 'commander';
import { runApply } from './apply.ts';

/** `sideboard plan`: what `apply` would change. */
export function registerPlan(program: Command): void {
  program
    .command('plan')
    .summary('say what apply would change')
    .description(
      'Imports the TypeScript files of the feature repository, compares what they define with the registry, and prints each object that apply would create (+), update (~) or delete (-), with the fields that differ. Writes nothing.',
    )
    .option('--json', 'print the changes as JSON')
    .addHelpText(
      'after',
      '\nExit codes: 0 planned; 1 the registry cannot be read; 2 a definition is wrong.',
    )
    .action(async (options: { json?: boolean }, command: Command) => {
      await runApply(command, { dryRun: true, json: options.json ?? false });
    });
}
