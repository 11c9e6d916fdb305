import type { ProblemList } from './configuration-error.ts';
import { closestWord, didYouMean } from '../did-you-mean.ts';
import type { Environment } from './expand-environment.ts';
import { settingSchema } from './setting-value.ts';
import { SETTINGS, settingFlag, settingVariable } from './settings.ts';
import type { SettingName, SettingValues } from './settings.ts';
import { isPlainRecord } from './yaml-source.ts';

/** All settings, and which of them are not defaults. */
export interface ReadSettings {
  readonly values: SettingValues;
  readonly given: ReadonlySet<SettingName>;
}

/** Where settings come from, the strongest last. */
export interface SettingSources {
  /** The `sideboard:` block of the YAML file, or `undefined`/`null` without one. */
  readonly block: unknown;
  readonly env: Environment;
  /** Values of flags by setting name; `undefined` = flag not given. */
  readonly overrides: Readonly<Record<string, unknown>>;
}

const NAMES: readonly string[] = SETTINGS.map((setting) => setting.name);
const VARIABLE_PREFIX = settingVariable('');
/** Further variables of Kubernetes for a service of that name: `SIDEBOARD_SERVICE_HOST`, `SIDEBOARD_PORT_6566_TCP_ADDR`. */
const SERVICE_LINK = /_SERVICE_(?:HOST|PORT)|_PORT_\d+_(?:TCP|UDP|SCTP)/;

/** Merges and checks all settings: flag before variable before YAML before default. Mistakes go to `problems`. */
export function readSettings(sources: SettingSources, problems: ProblemList): ReadSettings {
  const block = readBlock(sources.block, problems);
  refuseUnknownFlags(sources.overrides, problems);
  refuseUnknownVariables(sources.env, problems);
  const values: Record<string, unknown> = {};
  const given = new Set<SettingName>();
  for (const setting of SETTINGS) {
    const schema = settingSchema(setting);
    values[setting.name] =
      setting.default === undefined ? undefined : schema.parse(setting.default);
    for (const layer of layersOf(setting.name, { ...sources, block }, problems)) {
      const parsed = schema.safeParse(layer.value);
      if (parsed.success) values[setting.name] = parsed.data;
      else layer.complain(parsed.error.issues[0]?.message ?? 'is wrong');
      given.add(setting.name);
    }
  }
  return { values: values as SettingValues, given };
}

interface Layer {
  readonly value: unknown;
  /** Reports that the value is wrong, saying where it was given. */
  readonly complain: (message: string) => void;
}

/** The layers that give a setting, the weakest first; all are checked, so a mistake hidden by a flag still shows. */
function layersOf(
  name: string,
  {
    block,
    env,
    overrides,
  }: {
    block: Readonly<Record<string, unknown>>;
    env: Environment;
    overrides: Readonly<Record<string, unknown>>;
  },
  problems: ProblemList,
): Layer[] {
  const layers: Layer[] = [];
  const inBlock = Object.hasOwn(block, name) ? block[name] : undefined;
  if (inBlock !== undefined && inBlock !== null) {
    layers.push({
      value: inBlock,
      complain: (message) => problems.addAt(['sideboard', name], `sideboard.${name} ${message}`),
    });
  }
  const variable = settingVariable(name);
  const inEnvironment = env[variable];
  // An empty variable is what deployments write for "not set".
  if (inEnvironment !== undefined && inEnvironment !== '' && !isServiceLink(name, inEnvironment)) {
    layers.push({
      value: inEnvironment,
      complain: (message) => problems.addFrom(variable, message),
    });
  }
  const inFlag = Object.hasOwn(overrides, name) ? overrides[name] : undefined;
  if (inFlag !== undefined) {
    layers.push({
      value: inFlag,
      complain: (message) => problems.addFrom(settingFlag(name), message),
    });
  }
  return layers;
}

/**
 * Kubernetes announces a service called `sideboard` as `SIDEBOARD_PORT=tcp://10.0.0.7:6566` (and `sideboard-admin` as
 * `SIDEBOARD_ADMIN_PORT`) to every container of the namespace. That is no setting.
 */
function isServiceLink(name: string, value: string): boolean {
  return name.endsWith('port') && /^(?:tcp|udp|sctp):\/\//.test(value);
}

function readBlock(block: unknown, problems: ProblemList): Readonly<Record<string, unknown>> {
  if (block === undefined || block === null) return {};
  if (!isPlainRecord(block)) {
    problems.addAt(['sideboard'], 'sideboard must be a mapping of settings');
    return {};
  }
  for (const name of Object.keys(block)) {
    if (!NAMES.includes(name)) {
      problems.addAt(
        ['sideboard', name],
        `unknown setting sideboard.${name}${didYouMean(name, NAMES)}`,
      );
    }
  }
  return block;
}

function refuseUnknownFlags(
  overrides: Readonly<Record<string, unknown>>,
  problems: ProblemList,
): void {
  for (const name of Object.keys(overrides)) {
    if (!NAMES.includes(name)) problems.addFrom(settingFlag(name), 'unknown setting');
  }
}

/** A variable that is nearly one of ours is a typo; others of that prefix may belong to somebody else. */
function refuseUnknownVariables(env: Environment, problems: ProblemList): void {
  for (const variable of Object.keys(env)) {
    const name = variable.startsWith(VARIABLE_PREFIX)
      ? variable.slice(VARIABLE_PREFIX.length).toLowerCase()
      : '';
    if (name === '' || NAMES.includes(name) || SERVICE_LINK.test(variable)) continue;
    const closest = closestWord(name, NAMES);
    if (closest === undefined) problems.warnings.push(`${variable} is no setting and was ignored`);
    else problems.addFrom(variable, `unknown setting; did you mean ${settingVariable(closest)}?`);
  }
}
