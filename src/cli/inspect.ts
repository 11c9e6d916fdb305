import { inspect as formatValue } from 'node:util';
import Table from 'cli-table3';
import type { Command } from 'commander';
import type { Config } from '../config/config.ts';
import { isMeantToBe } from '../did-you-mean.ts';
import { featureViewNotFound, SideboardError } from '../errors.ts';
import type { EntityKeyValue } from '../feast-encoding/entity-key.ts';
import type { StoredEntity, ViewLayout } from '../online-store/online-store.ts';
import type { RegistrySnapshot, ViewDefinition } from '../registry/registry-model.ts';
import { cliConfig, printJson } from './context.ts';
import { readSnapshot } from './read-snapshot.ts';
import type { ResolvedField } from './stored-fields.ts';

/** How many names a message lists. */
const SHOWN_NAMES = 20;

interface InspectOptions {
  readonly json?: boolean;
  readonly values?: boolean;
}

/** `sideboard inspect [VIEW] KEY=VALUE…`: what the online store holds for one entity. */
export function registerInspect(program: Command): void {
  program
    .command('inspect [view] [keys...]')
    .description(
      'shows what the online store holds for an entity: where it is, its fields and their ages',
    )
    .option('--values', 'print the values too')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      `
KEY=VALUE names each join key; bytes are base64. VIEW is needed where views have join keys of the same names and of different
types, and for views without entities. On Redis the hash of an entity holds the features of all its views.

Examples:
  $ sideboard inspect zipcode=94109
  $ sideboard inspect zipcode_features zipcode=94109 --values

Exit codes: 0 shown, be it that nothing is stored; 1 the store cannot be read; 2 a name or the configuration is wrong.`,
    )
    .action(
      async (
        first: string | undefined,
        rest: string[],
        options: InspectOptions,
        command: Command,
      ) => {
        const question =
          first?.includes('=') === true
            ? { viewName: undefined, keyTexts: [first, ...rest] }
            : { viewName: first, keyTexts: rest };
        const { place, fields } = await inspectEntity(cliConfig(command), question);
        const withValues = options.values === true;
        if (options.json === true) {
          const shown = fields.map(({ value, ...field }) =>
            withValues ? { ...field, value: printable(value) } : field,
          );
          printJson({ place: Object.fromEntries(place), fields: shown });
        } else {
          print(place, fields, withValues);
        }
      },
    );
}

/** Which entity is asked for. */
interface Question {
  readonly viewName: string | undefined;
  readonly keyTexts: readonly string[];
}

type Place = StoredEntity['place'];

async function inspectEntity(
  config: Config,
  { viewName, keyTexts }: Question,
): Promise<{ place: Place; fields: readonly ResolvedField[] }> {
  const { openOnlineStore } = await import('../online-store/open-online-store.ts');
  const { resolveStoredFields } = await import('./stored-fields.ts');
  const { serializeEntityKey } = await import('../feast-encoding/entity-key.ts');
  const snapshot = await readSnapshot(config);
  const given = parseKeys(keyTexts);
  const view = findView(snapshot, viewName, [...given.keys()]);
  const values = await entityValues(view, given);
  const joinKeys = view.joinKeys.map(({ name }) => name);
  const version = config.entityKeySerializationVersion;
  const store = await openOnlineStore(config.onlineStore, version);
  try {
    const entityKey = serializeEntityKey(joinKeys, values, version);
    const views = layoutsOf(snapshot, view, viewName);
    const { place, fields } = await store.inspect(config.project, entityKey, views);
    return { place, fields: resolveStoredFields(fields, snapshot, Date.now() / 1000) };
  } finally {
    await store.close();
  }
}

/** The view that was named, or all that share the entity, as they are stored. */
function layoutsOf(
  snapshot: RegistrySnapshot,
  view: ViewDefinition,
  viewName: string | undefined,
): ViewLayout[] {
  const names = view.joinKeys.map(({ name }) => name);
  const views =
    viewName === undefined
      ? [...snapshot.views.values()].filter((each) => hasJoinKeys(each, names))
      : [view];
  return views
    .filter(({ kind }) => kind !== 'on_demand_feature_view')
    .map(({ name, versionNumber, features }) => ({
      storedName:
        snapshot.versioningEnabled && versionNumber > 0 ? `${name}_v${versionNumber}` : name,
      featureNames: features.map((feature) => feature.name),
    }));
}

/** Values by join key, as text. */
function parseKeys(keyTexts: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    keyTexts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) {
        throw invalid(`"${text}" is not of the form KEY=VALUE`);
      }
      return [text.slice(0, at), text.slice(at + 1)] as const;
    }),
  );
}

/** The view of that name; without a name, a view with exactly these join keys: it knows their types. */
function findView(
  snapshot: RegistrySnapshot,
  viewName: string | undefined,
  joinKeys: readonly string[],
): ViewDefinition {
  const views = [...snapshot.views.values()];
  const view =
    viewName === undefined
      ? views.find((candidate) => hasJoinKeys(candidate, joinKeys))
      : snapshot.views.get(viewName);
  if (view !== undefined) return view;
  if (viewName !== undefined) {
    throw featureViewNotFound(viewName, snapshot.project, snapshot.views.keys());
  }
  const known = new Set(views.map((each) => each.joinKeys.map(({ name }) => name).join(' and ')));
  const wanted = new Set(views.flatMap((each) => each.joinKeys.map(({ name }) => name)));
  const misspelt = joinKeys.filter((name) => !wanted.has(name));
  throw invalid(
    joinKeys.length === 0
      ? 'which entity? Name its join keys as KEY=VALUE, or a feature view without entities'
      : `no feature view has exactly the join keys ${joinKeys.join(' and ')}; views have: ${firstOf([...known])}${isMeantToBe(misspelt, [...wanted])}`,
  );
}

function firstOf(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN_NAMES).join(', ');
  return names.length > SHOWN_NAMES ? `${shown} and ${names.length - SHOWN_NAMES} others` : shown;
}

function hasJoinKeys(view: ViewDefinition, names: readonly string[]): boolean {
  return (
    names.length > 0 &&
    view.joinKeys.length === names.length &&
    view.joinKeys.every(({ name }) => names.includes(name))
  );
}

/** One value per join key of the view, in its order. */
async function entityValues(
  view: ViewDefinition,
  given: ReadonlyMap<string, string>,
): Promise<readonly EntityKeyValue[]> {
  const joinKeys = view.joinKeys.filter(({ name }) => name !== '__dummy_id');
  const wanted = joinKeys.map(({ name }) => `${name}=…`).join(' ');
  const unknown = [...given.keys()].filter((name) => !joinKeys.some((key) => key.name === name));
  if (unknown.length > 0) {
    throw invalid(`${view.name} has no join key ${unknown.join(', ')}; it wants: ${wanted}`);
  }
  const { ValueType } = await import('../feast-encoding/value-type.ts');
  return view.joinKeys.map(({ name, valueType }) => {
    if (name === '__dummy_id') {
      return { type: ValueType.STRING, value: '' };
    }
    const text = given.get(name);
    if (text === undefined) {
      throw invalid(`join key ${name} is missing; ${view.name} wants: ${wanted}`);
    }
    switch (valueType) {
      case ValueType.STRING:
        return { type: valueType, value: text };
      case ValueType.BYTES:
        return { type: valueType, value: Buffer.from(text, 'base64') };
      case ValueType.INVALID:
        // The registry does not say: what looks like a number is written as one.
        return isInteger(text)
          ? { type: ValueType.INT64, value: BigInt(text) }
          : { type: ValueType.STRING, value: text };
      default:
        if (!isInteger(text)) {
          throw invalid(`join key ${name} of ${view.name} is an integer`);
        }
        return { type: valueType, value: BigInt(text) };
    }
  });
}

function isInteger(text: string): boolean {
  return /^-?\d+$/.test(text);
}

function print(place: Place, fields: readonly ResolvedField[], withValues: boolean): void {
  const width = Math.max(...place.map(([label]) => label.length));
  for (const [label, value] of place) {
    process.stdout.write(`${label.padEnd(width)}  ${value}\n`);
  }
  if (fields.length === 0) {
    process.stdout.write('\nnothing is stored for this entity\n');
    return;
  }
  const table = new Table({
    head: ['VIEW', 'FEATURE', 'TYPE', 'BYTES', 'AGE', ...(withValues ? ['VALUE'] : [])],
    style: { head: [], border: [] },
  });
  for (const { view, feature, type, sizeBytes, ageSeconds, value } of fields) {
    const age = ageSeconds === undefined ? '' : `${ageSeconds} s`;
    const row = [view ?? 'not in the registry', feature, type, String(sizeBytes), age];
    table.push(withValues ? [...row, valueText(value)] : row);
  }
  process.stdout.write(`\n${table.toString()}\n`);
}

/** A scalar as it is; anything larger in the notation of Node's console. */
function valueText(value: unknown): string {
  if (value === undefined || value === null) {
    return '';
  }
  return typeof value === 'string' ? value : formatValue(value, { depth: 4, compact: true });
}

/** Maps as objects, which JSON has no other way for. */
function printable(value: unknown): unknown {
  if (value instanceof Map) {
    const entries = [...(value as ReadonlyMap<string, unknown>)];
    return Object.fromEntries(entries.map(([key, item]) => [key, printable(item)]));
  }
  if (Array.isArray(value)) {
    return value.map(printable);
  }
  if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    const entries = Object.entries(value).map(([key, item]) => [key, printable(item)] as const);
    return Object.fromEntries(entries);
  }
  return value;
}

function invalid(message: string): SideboardError {
  return new SideboardError('INVALID_REQUEST', message);
}
