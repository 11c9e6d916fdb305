import { SETTINGS, settingFlag, settingVariable, type SettingName } from './settings.ts';
import type { Setting } from './setting.ts';

/** A setting as a flag of the command line, in the terms of commander's `Option`. */
export interface SettingFlag {
  readonly name: SettingName;
  /** `--max-rows <number>`. */
  readonly flags: string;
  readonly description: string;
  /** Under which commander keeps the value: `maxRows`. */
  readonly attribute: string;
}

/** One flag per setting, in the order of the table. */
export function settingFlags(): readonly SettingFlag[] {
  return SETTINGS.map((setting: Setting & { name: SettingName }) => ({
    name: setting.name,
    flags: `${settingFlag(setting.name)} ${placeholder(setting)}`,
    description: `${setting.doc} (default: ${String(setting.default ?? '') || 'not set'}, env: ${settingVariable(setting.name)})`,
    attribute: attributeOf(setting.name),
  }));
}

/** What commander parsed, as `overrides` of `loadConfig`: settings only, those that were given. */
export function settingOverrides(
  options: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const overrides: Record<string, unknown> = {};
  for (const { name } of SETTINGS) {
    const value = options[attributeOf(name)];
    if (value !== undefined) overrides[name] = value;
  }
  return overrides;
}

function attributeOf(name: string): string {
  return name.replaceAll(/_([a-z\d])/g, (_, letter: string) => letter.toUpperCase());
}

function placeholder({ kind }: Setting): string {
  switch (kind.type) {
    case 'integer':
      return '<number>';
    case 'bytes':
      return '<bytes>';
    case 'boolean':
      return '[true|false]';
    case 'choice':
      return `<${kind.choices.join('|')}>`;
    case 'file':
      return '<file>';
    case 'ratio':
      return '<0..1>';
    case 'list':
      return '<text,…>';
    case 'file_mode':
      return '<octal>';
    case 'workers':
      return '<number|auto>';
    case 'utc_offset':
      return '<+hh:mm>';
    case 'text':
    case 'secret':
      return '<text>';
  }
}
