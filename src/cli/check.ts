import { existsSync } from 'node:fs';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { isSideboardError } from '../errors.ts';
import type { Config } from '../config/config.ts';
import { settingOverrides } from '../config/setting-flags.ts';
import type { RegistrySnapshot } from '../registry/registry-model.ts';
import type { CheckFinding } from './check-finding.ts';
import { checkAccess } from './check-access.ts';
import { checkOnDemand } from './check-on-demand.ts';
import { checkNetwork } from './check-network.ts';
import { checkTracing } from './check-tracing.ts';
import { cliConfig, EXIT, printJson } from './context.ts';
import { addSettingOptions } from './setting-options.ts';

const MARKS = { ok: 'ok', warning: 'warning', error: 'ERROR' } as const;

/** `sideboard check`: validates everything without starting, and exits 0, or 2 where something would keep it from serving. */
export function registerCheck(program: Command): void {
  const check = program
    .command('check')
    .description(
      'checks configuration, registry, access and online store without starting; exits 0, or 2 if there is an error',
    )
    .option('--json', 'print the findings for programs');
  addSettingOptions(check).addHelpText(
    'after',
    `
Exit codes: 0 it can serve (there may be warnings); 2 something keeps it from serving, each with what to do.`,
  );
  check.action(async (options: { json?: boolean }, command: Command) => {
    const findings = await collectFindings(command);
    if (options.json === true) printJson(findings);
    else printFindings(findings);
    if (findings.some(({ level }) => level === 'error')) process.exitCode = EXIT.invalid;
  });
}

async function collectFindings(command: Command): Promise<readonly CheckFinding[]> {
  let config: Config;
  try {
    config = cliConfig(command, settingOverrides(command.opts()));
  } catch (error) {
    return [{ part: 'configuration', level: 'error', message: messageOf(error) }];
  }
  const registry = await checkRegistry(config);
  return [
    {
      part: 'configuration',
      level: 'ok',
      message: `project ${config.project}, ${config.configFile ?? 'FEATURE_STORE_YAML_BASE64'}`,
    },
    ...config.warnings.map((message): CheckFinding => ({
      part: 'configuration',
      level: 'warning',
      message,
    })),
    ...(await checkNetwork(config.server, config.auth !== undefined)),
    ...registry.findings,
    ...(await checkAccess(config.auth, registry.snapshot?.permissions)),
    ...(await checkOnlineStore(config)),
    ...(registry.snapshot === undefined ? [] : await checkOnDemand(config, registry.snapshot)),
    ...(await checkTracing(config.tracing)),
  ];
}

/** What was found, and the registry where it can be read. */
interface CheckedRegistry {
  readonly findings: readonly CheckFinding[];
  readonly snapshot?: RegistrySnapshot;
}

async function checkRegistry(config: Config): Promise<CheckedRegistry> {
  const { openRegistry } = await import('../registry/open-registry.ts');
  const { hashFeatureField } = await import('../feast-encoding/hash-field.ts');
  const warnings: CheckFinding[] = [];
  try {
    const registry = await openRegistry(
      { ...config.registry, cacheTtlSeconds: 0, pollIntervalMs: 0, copyPath: undefined },
      {
        project: config.project,
        hashFeatureField,
        onWarning: (message) => warnings.push({ part: 'registry', level: 'warning', message }),
      },
    );
    const snapshot = registry.current();
    const { entities, views, featureServices } = snapshot;
    await registry.close();
    const counts = `${views.size} feature views, ${entities.size} entities, ${featureServices.size} feature services`;
    const message = `${registry.name}: ${counts}`;
    return { findings: [{ part: 'registry', level: 'ok', message }, ...warnings], snapshot };
  } catch (error) {
    return { findings: [{ part: 'registry', level: 'error', message: messageOf(error) }] };
  }
}

async function checkOnlineStore({ onlineStore }: Config): Promise<readonly CheckFinding[]> {
  // Opening would create it, and a check leaves everything as it is.
  if (onlineStore.kind === 'sqlite' && !existsSync(onlineStore.path)) {
    return [
      {
        part: 'online store',
        level: 'warning',
        message: `SQLite file ${onlineStore.path} does not exist: every read of a feature view fails`,
        remedy: 'sideboard apply, then sideboard materialize',
      },
    ];
  }
  const { openOnlineStore } = await import('../online-store/open-online-store.ts');
  try {
    const store = await openOnlineStore(onlineStore);
    try {
      return (await store.check()).map((finding): CheckFinding => ({
        part: 'online store',
        ...finding,
      }));
    } finally {
      await store.close();
    }
  } catch (error) {
    return [{ part: 'online store', level: 'error', message: messageOf(error) }];
  }
}

function messageOf(error: unknown): string {
  if (!isSideboardError(error)) throw error;
  return error.message;
}

function printFindings(findings: readonly CheckFinding[]): void {
  const table = new Table({ head: ['part', '', 'finding'], style: { head: [], border: [] } });
  for (const { part, level, message, remedy } of findings) {
    table.push([part, MARKS[level], remedy === undefined ? message : `${message}\n-> ${remedy}`]);
  }
  process.stdout.write(`${table.toString()}\n`);
}
