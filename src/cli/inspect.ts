import { inspect as formatValue } from 'node:util';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { SideboardError } from '../errors.ts';
import type { Config } from '../config/config.ts';
import type { StoredField } from '../online-store/online-store.ts';
import type { RegistrySnapshot, ViewDefinition } from '../registry/registry-model.ts';
import { cliConfig, printJson } from './context.ts';

/** One field of the entity, by the name that the registry has for it. */
interface ResolvedField {
  /** `view:feature`, `_ts:view`, or the bytes in hex where no view of the registry has such a field. */
  readonly name: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly ageSeconds: number | undefined;
  readonly value: unknown;
}

interface InspectOptions {
  readonly json?: boolean;
  readonly values?: boolean;
}

/** `sideboard inspect VIEW KEY=VALUE…`: what the online store holds for one entity. */
export function registerInspect(program: Command): void {
  program
    .command('inspect <view> [keys...]')
    .description(
      'shows what the online store holds for an entity: where it is, its fields and their ages',
    )
    .option('--values', 'print the values too')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  $ sideboard inspect zipcode_features zipcode=94109 --values',
    )
    .action(async (view: string, keys: string[], options: InspectOptions, command: Command) => {
      const config = cliConfig(command);
      const { place, fields } = await inspect(config, view, keys);
      const shown = fields.map(({ value, ...field }) =>
        options.values === true ? { ...field, value } : field,
      );
      if (options.json === true) printJson({ place: Object.fromEntries(place), fields: shown });
      else print(place, fields, options.values === true);
    });
}

async function inspect(
  config: Config,
  viewName: string,
  keyTexts: readonly string[],
): Promise<{ place: readonly (readonly [string, string])[]; fields: readonly ResolvedField[] }> {
  const { openOnlineStore } = await import('../online-store/open-online-store.ts');
  const { openFileRegistry } = await import('../registry/file-registry.ts');
  const { hashFeatureField } = await import('../feast-encoding/hash-field.ts');
  const registry = await openFileRegistry({
    path: config.registry.path,
    project: config.project,
    versioningEnabled: config.registry.versioningEnabled,
    cacheTtlSeconds: 0,
    pollIntervalMs: 0,
    hashFeatureField,
  });
  const snapshot = registry.current();
  await registry.close();
  const view = snapshot.views.get(viewName);
  if (view === undefined) {
    const known = [...snapshot.views.keys()].join(', ');
    throw invalid(`feature view ${viewName} does not exist; there are: ${known}`);
  }
  const entityKey = await entityKeyOf(view, keyTexts, config);
  const store = await openOnlineStore(config.onlineStore);
  try {
    const { place, fields } = await store.inspect(config.project, entityKey);
    return { place, fields: await resolveFields(fields, snapshot, hashFeatureField) };
  } finally {
    await store.close();
  }
}

async function entityKeyOf(
  view: ViewDefinition,
  keyTexts: readonly string[],
  config: Config,
): Promise<Uint8Array> {
  const { serializeEntityKey } = await import('../feast-encoding/entity-key.ts');
  const { ValueType } = await import('../feast-encoding/value-type.ts');
  const given = new Map(
    keyTexts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw invalid(`"${text}" is not of the form KEY=VALUE`);
      return [text.slice(0, at), text.slice(at + 1)] as const;
    }),
  );
  const values = view.joinKeys.map(({ name, valueType }) => {
    const text = name === '__dummy_id' ? '' : given.get(name);
    if (text === undefined) {
      const wanted = view.joinKeys.map((key) => `${key.name}=…`).join(' ');
      throw invalid(`join key ${name} is missing; ${view.name} wants ${wanted}`);
    }
    if (valueType === ValueType.STRING) return { type: ValueType.STRING, value: text };
    if (valueType === ValueType.BYTES) {
      return { type: ValueType.BYTES, value: Buffer.from(text, 'base64') };
    }
    if (!/^-?\d+$/.test(text)) throw invalid(`join key ${name} is an integer`);
    return valueType === ValueType.INT32
      ? { type: ValueType.INT32, value: Number(text) }
      : { type: valueType === 0 ? ValueType.INT64 : valueType, value: BigInt(text) };
  });
  return serializeEntityKey(
    view.joinKeys.map(({ name }) => name),
    values,
    config.entityKeySerializationVersion,
  );
}

async function resolveFields(
  fields: readonly StoredField[],
  snapshot: RegistrySnapshot,
  hash: (view: string, feature: string) => Uint8Array,
): Promise<readonly ResolvedField[]> {
  const { readValue } = await import('../feast-encoding/value-reader.ts');
  const { valueTypeName } = await import('../feast-encoding/value-type.ts');
  const { decodeTimestamp } = await import('../feast-encoding/timestamp.ts');
  const names = new Map<string, string>();
  for (const { name, features } of snapshot.views.values()) {
    for (const feature of features) {
      names.set(Buffer.from(hash(name, feature.name)).toString('hex'), `${name}:${feature.name}`);
    }
  }
  const nowSeconds = Date.now() / 1000;
  const ageOf = (timestampNs: bigint): number =>
    Math.round(nowSeconds - Number(timestampNs / 1_000_000_000n));
  return fields.map(({ view, name, value, eventTimestampNs }) => {
    const text = Buffer.from(name).toString('utf8');
    const base = { sizeBytes: value.length };
    if (view === undefined && text.startsWith('_ts:')) {
      const ageSeconds = ageOf(decodeTimestamp(value));
      return { ...base, name: text, type: 'event timestamp', ageSeconds, value: undefined };
    }
    const read = readValue(value);
    return {
      ...base,
      name:
        view === undefined
          ? (names.get(Buffer.from(name).toString('hex')) ?? Buffer.from(name).toString('hex'))
          : `${view}:${text}`,
      type: value.length === 0 ? 'null' : valueTypeName(read.type),
      ageSeconds: eventTimestampNs === undefined ? undefined : ageOf(eventTimestampNs),
      value: read.value,
    };
  });
}

function print(
  place: readonly (readonly [string, string])[],
  fields: readonly ResolvedField[],
  withValues: boolean,
): void {
  for (const [label, value] of place) process.stdout.write(`${label.padEnd(10)} ${value}\n`);
  const table = new Table({
    head: ['field', 'type', 'bytes', 'age', ...(withValues ? ['value'] : [])],
    style: { head: [], border: [] },
  });
  for (const { name, type, sizeBytes, ageSeconds, value } of fields) {
    const row = [name, type, String(sizeBytes), ageSeconds === undefined ? '' : `${ageSeconds} s`];
    table.push(withValues ? [...row, valueText(value)] : row);
  }
  process.stdout.write(`${table.toString()}\n`);
}

/** A scalar as it is; anything larger in the notation of Node's console. */
function valueText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : formatValue(value, { depth: 4, compact: true });
}

function invalid(message: string): SideboardError {
  return new SideboardError('INVALID_REQUEST', message);
}
