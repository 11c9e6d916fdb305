import { Command } from 'commander';
import { VERSION } from '../version.ts';
import { registerApply } from './apply.ts';
import { registerCheck } from './check.ts';
import { registerDoctor } from './doctor.ts';
import { registerGet } from './get.ts';
import { registerHistoricalFeatures } from './historical-features.ts';
import { registerInspect } from './inspect.ts';
import { registerList } from './list.ts';
import { registerMaterialize } from './materialize.ts';
import { registerMaterializeIncremental } from './materialize-incremental.ts';
import { registerPlan } from './plan.ts';
import { registerServe } from './serve.ts';

/** The command line: Feast's verbs and flags, and a few of our own. */
export function createProgram(): Command {
  const program = new Command('sideboard')
    .description(
      "Serves Feast's features online: gRPC, Connect and JSON on one port, from Redis, Redis Cluster or SQLite.",
    )
    .version(VERSION, '--version')
    .option('-c, --chdir <dir>', 'the feature repository: the folder of feature_store.yaml', '.')
    .option(
      '-f, --feature-store-yaml <path>',
      'the configuration, if it is not feature_store.yaml there',
    )
    .enablePositionalOptions()
    // Thrown, so that `reportFailure` alone knows which exit code a wrong argument has.
    .exitOverride()
    .showHelpAfterError('(--help shows what is possible)')
    .addHelpText(
      'after',
      `
The usual way:
  $ sideboard -c my_repo plan                                  what apply would change
  $ sideboard -c my_repo apply                                 definitions -> registry
  $ sideboard -c my_repo materialize-incremental 2026-01-01    sources -> online store
  $ sideboard -c my_repo check                                 is everything in place?
  $ sideboard -c my_repo serve                                 answer on port 6566
  $ sideboard get --features zipcode_features:city zipcode=94109
  $ sideboard -c my_repo historical-features loans.parquet -o training.parquet --feature-service loan_decision

Exit codes: 0 done; 1 it failed; 2 what it was given is wrong; 3 doctor found something (--fail-on).`,
    );

  registerServe(program);
  registerApply(program);
  registerPlan(program);
  registerMaterialize(program);
  registerMaterializeIncremental(program);
  registerHistoricalFeatures(program);
  registerList(program);
  registerGet(program);
  registerInspect(program);
  registerCheck(program);
  registerDoctor(program);
  return program;
}
