#!/usr/bin/env node
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { applyFeatureRepository } from '../../src/cli/apply-feature-repository.ts';
import { createProgressDisplay, formatCount } from '../../src/cli/materialization-progress.ts';
import { formatMaterialization } from '../../src/cli/print-materialization.ts';
import { formatPlan } from '../../src/cli/print-plan.ts';
import { reportFailure } from '../../src/cli/report-failure.ts';
import { runMaterialization } from '../../src/cli/run-materialization.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { materializationWindow } from '../../src/ingestion/materialization-window.ts';
import type { RunningServer } from '../../src/server.ts';
import { askEveryProtocol } from './demo/ask-every-protocol.ts';
import { askForTerms } from './demo/ask-for-terms.ts';
import { measureLatency } from './demo/measure-latency.ts';
import { nextCommands } from './demo/next-commands.ts';
import { printStep, say } from './demo/print-step.ts';
import { writeRedisConfiguration } from './demo/redis-configuration.ts';
import { startOnFreePort } from './demo/start-on-free-port.ts';
import { type GeneratedData, generateData } from './generate-data.ts';

const HELP = `The whole way of a feature on one screen: data -> definitions -> registry -> online store -> server -> client.

  npm run demo                                          on SQLite, then serves until Ctrl-C
  npm run demo -- --once                                the same, and exits
  npm run demo -- --redis redis://localhost:6379        on Redis
  npm run demo -- --redis redis-cluster://host:7000,host:7001

  --port N      port to serve on (6566, or any free one when that is taken)
  --repo DIR    a copy of examples/loan-approval to work in
`;

/** How long `materialize` looks back: further than any row of the generated data. */
const HISTORY_MS = 10 * 365 * 86_400_000;

interface DemoOptions {
  readonly once: boolean;
  readonly redis: string | undefined;
  /** `undefined` = Feast's, or any free one. */
  readonly port: number | undefined;
  readonly repoPath: string;
}

async function runDemo(options: DemoOptions): Promise<void> {
  const startedAtMs = performance.now();
  const { repoPath } = options;
  const configFile =
    options.redis === undefined
      ? join(repoPath, 'feature_store.yaml')
      : await writeRedisConfiguration(join(repoPath, 'data'), options.redis);
  const config = loadConfig({ repoPath, configFile, overrides: { log_level: 'warn' } });

  say(
    `Loan approval: the features that a model needs to decide about a loan, kept in ${storeName(config)}.`,
  );
  const data = await printStep('Generate a year of data (a seeded generator, Parquet)', () =>
    generate(repoPath),
  );
  await printStep('Apply the definitions of features.ts and loan-terms.ts to the registry', () =>
    apply(config),
  );
  await printStep('Materialize: the latest row per entity goes to the online store', () =>
    materialize(config),
  );
  const server = await printStep('Start the server', () => start(config, options));
  try {
    const address = `http://127.0.0.1:${server.address.port}`;
    await printStep('Ask for the feature service loan_decision', () =>
      askEveryProtocol(address, data),
    );
    await printStep('Ask for loan_terms: some of it is computed when it is asked for', () =>
      askForTerms(address, data),
    );
    await printStep('Measure over gRPC, one call after the other', () =>
      measureLatency(address, data.applicant),
    );
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
    const otherFile = options.redis === undefined ? undefined : relative(process.cwd(), configFile);
    say(nextCommands(server, otherFile, data.applicant));
    if (options.once) {
      say(`Done in ${seconds} s. Without --once the server stays up for the commands above.`);
      return;
    }
    say(`Done in ${seconds} s. Serving until Ctrl-C.`);
    await untilInterrupted();
    say('Draining and stopping.');
  } finally {
    await server.close();
  }
}

function storeName({ onlineStore }: Config): string {
  return {
    sqlite: 'SQLite',
    redis: 'Redis',
    redis_cluster: 'Redis Cluster',
    redis_sentinel: 'Redis',
  }[onlineStore.kind];
}

async function generate(repoPath: string): Promise<GeneratedData> {
  const data = await generateData({ folder: join(repoPath, 'data') });
  for (const { path, rowCount } of data.files) {
    say(`${formatCount(rowCount).padStart(7)} rows  ${relative(process.cwd(), path)}`);
  }
  return data;
}

async function apply(config: Config): Promise<void> {
  say(formatPlan(await applyFeatureRepository(config, { dryRun: false })));
}

async function materialize(config: Config): Promise<void> {
  const nowMs = Date.now();
  const [startNs, endNs] = [nowMs - HISTORY_MS, nowMs].map((ms) => BigInt(ms) * 1_000_000n);
  const display = createProgressDisplay();
  try {
    const result = await runMaterialization({
      config,
      scope: { kind: 'window', window: materializationWindow(startNs ?? 0n, endNs ?? 0n) },
      onProgress: display.update,
    });
    display.stop();
    say(formatMaterialization(result));
  } finally {
    display.stop();
  }
}

async function start(config: Config, options: DemoOptions): Promise<RunningServer> {
  const wanted = options.port ?? (options.once ? 0 : config.server.port);
  const server = await startOnFreePort(config, wanted, options.port === undefined);
  say(`gRPC, Connect, gRPC-Web and Feast's JSON on port ${server.address.port}`);
  say(`metrics and health on port ${server.adminAddress.port}`);
  return server;
}

async function untilInterrupted(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

const { values: flags } = parseArgs({
  options: {
    once: { type: 'boolean', default: false },
    redis: { type: 'string' },
    port: { type: 'string' },
    repo: { type: 'string', default: import.meta.dirname },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  process.stdout.write(HELP);
} else {
  try {
    await runDemo({
      once: flags.once,
      redis: flags.redis,
      port: flags.port === undefined ? undefined : Number(flags.port),
      repoPath: flags.repo,
    });
  } catch (error) {
    reportFailure(error);
  }
}
