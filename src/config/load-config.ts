import { resolve } from 'node:path';
import type { Config } from './config.ts';
import { createProblemList, invalidConfiguration } from './configuration-error.ts';
import type { ProblemList } from './configuration-error.ts';
import { closestWord } from '../did-you-mean.ts';
import { expandEnvironment } from './expand-environment.ts';
import type { Environment } from './expand-environment.ts';
import {
  featureServerSchema,
  materializationSchema,
  readBlock,
  STRICT_BLOCKS,
  TOP_LEVEL_KEYS,
} from './feast-schema.ts';
import { findConfiguration } from './find-configuration.ts';
import type { ConfigurationText } from './find-configuration.ts';
import { readAuth } from './read-auth.ts';
import { readOnlineStore } from './online-store-config.ts';
import { readSettings } from './read-settings.ts';
import { readRegistry } from './registry-config.ts';
import { readS3Location } from './s3-location.ts';
import { readServer } from './server-config.ts';
import { integerFromText } from './setting-value.ts';
import type { SettingValues } from './settings.ts';
import { readTracing } from './read-tracing.ts';
import { parseYaml } from './yaml-source.ts';

/** Where the configuration comes from. */
export interface LoadOptions {
  /** Directory of the feature repository; default: that of `configFile`, else the current one. */
  readonly repoPath?: string;
  /** The YAML file; default: variables, then `feature_store.yaml` of the repository. */
  readonly configFile?: string;
  /** Values of flags by setting name (`max_rows`); `undefined` values are flags that were not given. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  readonly env?: Environment;
}

/**
 * Loads, merges and checks the configuration.
 *
 * @throws SideboardError INVALID_CONFIGURATION whose message lists every mistake with its file and line, variable or flag
 */
export function loadConfig(options: LoadOptions = {}): Config {
  const env = options.env ?? process.env;
  const found = findConfiguration(options, env);
  const yaml = parseYaml(expandEnvironment(found.text, env), found.label);
  const problems = createProblemList((path) => yaml.locate(path));
  const config = readConfig(
    yaml.value,
    { found, env, overrides: options.overrides ?? {} },
    problems,
  );
  if (config === undefined || problems.problems.length > 0)
    throw invalidConfiguration(problems.problems);
  return deepFreeze({ ...config, warnings: problems.warnings });
}

function readConfig(
  yaml: Readonly<Record<string, unknown>>,
  {
    found,
    env,
    overrides,
  }: { found: ConfigurationText; env: Environment; overrides: Readonly<Record<string, unknown>> },
  problems: ProblemList,
): Omit<Config, 'warnings'> | undefined {
  const { configFile, repoPath } = found;
  warnOfTopLevelTypos(yaml, problems);
  const settings = readSettings({ block: yaml['sideboard'], env, overrides }, problems);
  const project = readProject(yaml['project'], problems);
  const entityKeySerializationVersion = readKeyVersion(
    yaml['entity_key_serialization_version'],
    problems,
  );
  const auth = readAuth(yaml['auth'], { repoPath, values: settings.values, env }, problems);
  const registry = readRegistry(
    yaml['registry'],
    { repoPath, values: settings.values, env, enforcesPermissions: auth !== undefined },
    problems,
  );
  const onlineStore = readOnlineStore(yaml['online_store'], { repoPath, settings }, problems);
  const materialization = readMaterialization(yaml['materialization'], problems);
  const transformationEndpoint = readFeatureServer(yaml['feature_server'], problems);
  readStrictBlocks(yaml, problems);
  if (configFile === undefined) {
    problems.warnings.push(
      `relative paths of FEATURE_STORE_YAML_BASE64 are resolved against ${repoPath} (Feast: a temporary directory)`,
    );
  }
  if (!project || !entityKeySerializationVersion || !registry || !onlineStore) return undefined;
  return {
    configFile,
    repoPath,
    project,
    entityKeySerializationVersion,
    registry,
    onlineStore,
    materialization,
    sources: { s3: readS3Location(env), maxSourceBytes: settings.values.max_source_bytes },
    transformationEndpoint,
    functions: {
      repoPath: resolve(repoPath, settings.values.feature_repository ?? '.'),
      timeoutMs: settings.values.function_timeout_ms,
      memoryMib: settings.values.function_memory_mib,
      onError: settings.values.function_errors,
    },
    auth,
    server: readServer(settings.values, repoPath, problems),
    tracing: readTracing(settings.values, env, problems),
    ...groupSettings(settings.values),
  };
}

function groupSettings(values: SettingValues): Pick<Config, 'limits' | 'semantics'> {
  return {
    limits: {
      maxRows: values.max_rows,
      maxFeatures: values.max_features,
      maxCells: values.max_cells,
      maxRequestBytes: values.max_request_bytes,
      maxResponseBytes: values.max_response_bytes,
      maxConcurrentRequests: values.max_concurrent_requests,
      admissionLatencyMs: values.admission_latency_ms,
      admissionMinRequests: values.admission_min_requests,
      maxWaitingBytes: values.max_waiting_bytes,
      maxPendingWriteBytes: values.max_pending_write_bytes,
      maxMaterializations: values.max_materializations,
      planCacheBytes: values.plan_cache_bytes,
    },
    semantics: {
      onlineTtl: values.online_ttl,
      nullStatus: values.null_status,
      missingEntity: values.missing_entity,
      lossyEntityCoercion: values.lossy_entity_coercion,
      readEntitylessPushes: values.read_entityless_pushes,
      partialResults: values.partial_results,
      nonFiniteJson: values.non_finite_json,
    },
  };
}

function warnOfTopLevelTypos(yaml: Readonly<Record<string, unknown>>, problems: ProblemList): void {
  for (const key of Object.keys(yaml)) {
    if (TOP_LEVEL_KEYS.includes(key)) continue;
    const closest = closestWord(key, TOP_LEVEL_KEYS);
    if (closest !== undefined)
      problems.warnAt([key], `unknown key ${key} was ignored; did you mean ${closest}?`);
  }
}

/** Feast 0.67 refuses `-` in project names for every store; older ones had it, and Redis serves it well. */
function readProject(value: unknown, problems: ProblemList): string | undefined {
  if (value === undefined || value === null) {
    problems.addAt(
      ['project'],
      'project is missing; set it to the name that the repository was applied under',
    );
  } else if (typeof value !== 'string') {
    problems.addAt(['project'], 'project must be text (in quotes where it looks like a number)');
  } else if (!/^[A-Za-z\d][\w-]*$/.test(value)) {
    problems.addAt(
      ['project'],
      'project may hold letters, digits, _ and -, and starts with a letter or digit',
    );
  } else return value;
  return undefined;
}

function readKeyVersion(value: unknown, problems: ProblemList): 2 | 3 | undefined {
  const version = integerFromText(value ?? 3);
  if (version === 2 || version === 3) return version;
  problems.addAt(
    ['entity_key_serialization_version'],
    version === 0 || version === 1
      ? `entity_key_serialization_version ${version} is not supported: its keys lose information; write the store again with version 3`
      : 'entity_key_serialization_version must be 2 or 3',
  );
  return undefined;
}

function readMaterialization(value: unknown, problems: ProblemList): Config['materialization'] {
  const options = { path: ['materialization'], unknownKeys: 'warn' } as const;
  const block = readBlock(materializationSchema, value ?? {}, options, problems);
  return { onlineWriteBatchSize: block?.online_write_batch_size ?? undefined };
}

/**
 * Settings of Feast's own server: checked so that typos show, but ours has settings of its own.
 *
 * @returns `host:port` of the transformation server; `undefined` = there is none.
 */
function readFeatureServer(value: unknown, problems: ProblemList): string | undefined {
  if (value === undefined || value === null) return undefined;
  const options = { path: ['feature_server'], unknownKeys: 'refuse' } as const;
  const block = readBlock(featureServerSchema, value, options, problems);
  if (block?.type === 'mcp' || block?.mcp_enabled === true) {
    problems.warnAt(['feature_server'], 'MCP is not served');
  }
  const endpoint = block?.transformation_service_endpoint;
  if (endpoint == null) return undefined;
  if (/^(\[[^\]]+\]|[^:/[\]]+):\d{1,5}$/.test(endpoint)) return endpoint;
  problems.addAt(
    ['feature_server', 'transformation_service_endpoint'],
    'feature_server.transformation_service_endpoint has to be host:port of the transformation server',
  );
  return undefined;
}

function readStrictBlocks(yaml: Readonly<Record<string, unknown>>, problems: ProblemList): void {
  for (const [name, schema] of Object.entries(STRICT_BLOCKS)) {
    const value = yaml[name];
    if (value === undefined || value === null) continue;
    readBlock(schema, value, { path: [name], unknownKeys: 'refuse' }, problems);
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
