import * as z from 'zod';
import type { Setting, SettingKind } from './setting.ts';

const SIZE = /^(\d+)\s*(B|KiB|MiB|GiB)?$/;
const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};
const FILE_MODE = /^0?([0-7]{3})$/;
const OFFSET = /^([+-])(\d{2}):?(\d{2})$/;

/** What a setting may hold once it is checked. */
export type SettingValue = string | number | boolean | readonly string[];

/** Text as `true` or `false` where it is one of the words that Feast's own configuration takes for them. */
export function booleanFromText(value: unknown): unknown {
  if (value === 1 || value === 0) return value === 1;
  if (typeof value !== 'string') return value;
  const word = value.trim().toLowerCase();
  if (['true', 't', 'yes', 'y', 'on', '1'].includes(word)) return true;
  if (['false', 'f', 'no', 'n', 'off', '0'].includes(word)) return false;
  return value;
}

/** Text as a number where it is plain decimal digits. */
export function integerFromText(value: unknown): unknown {
  return typeof value === 'string' && /^[+-]?\d{1,15}$/.test(value.trim())
    ? Number(value.trim())
    : value;
}

/**
 * The schema of one setting. Variables and flags bring text, YAML brings typed values: both pass. Its output is a number,
 * boolean, text or list of texts; a `utc_offset` becomes seconds, a `file_mode` its bits, `workers` 0
 * for auto.
 */
export function settingSchema(setting: Setting): z.ZodType<SettingValue> {
  const problem = `must be ${describeKind(setting.kind)}`;
  return schemaOfKind(setting.kind, problem);
}

/** What a setting takes, in words: `a whole number from 0 to 65535`. */
export function describeKind(kind: SettingKind): string {
  switch (kind.type) {
    case 'integer':
      return kind.max === 2 ** 31 - 1
        ? `a whole number, ${kind.min} or more`
        : `a whole number from ${kind.min} to ${kind.max}`;
    case 'bytes':
      return `a number of bytes, ${kind.min} or more and below ${(kind.max + 1) / 1024 ** 3}GiB, such as 65536 or 16MiB`;
    case 'boolean':
      return 'true or false';
    case 'choice':
      return `one of ${kind.choices.join(', ')}`;
    case 'text':
    case 'secret':
      return 'text (in quotes where it looks like a number)';
    case 'file':
      return 'the path of a file';
    case 'ratio':
      return 'a number from 0 to 1, such as 0.01';
    case 'list':
      return 'texts, as a list or separated by commas';
    case 'file_mode':
      return 'an octal file mode such as "0660" (in quotes)';
    case 'workers':
      return 'a whole number from 1 to 1024, or auto';
    case 'utc_offset':
      return 'a UTC offset such as +02:00 (in quotes)';
  }
}

function schemaOfKind(kind: SettingKind, error: string): z.ZodType<SettingValue> {
  switch (kind.type) {
    case 'integer':
      return z.preprocess(
        integerFromText,
        z.int({ error }).min(kind.min, error).max(kind.max, error),
      );
    case 'bytes':
      return z.preprocess(sizeFromText, z.int({ error }).min(kind.min, error).max(kind.max, error));
    case 'boolean':
      return z.preprocess(booleanFromText, z.boolean({ error }));
    case 'choice':
      return z.enum(kind.choices as [string, ...string[]], { error });
    case 'text':
    case 'secret':
    case 'file':
      return z.string({ error }).min(1, error);
    case 'ratio':
      return z.preprocess(ratioFromText, z.number({ error }).min(0, error).max(1, error));
    case 'list':
      return z.preprocess(listFromText, z.array(z.string({ error }).min(1, error), { error }));
    case 'file_mode':
      return z.preprocess(modeFromText, z.int({ error }));
    case 'workers':
      return z.preprocess(workersFromText, z.int({ error }).min(0, error).max(1024, error));
    case 'utc_offset':
      return z.preprocess(offsetFromText, z.int({ error }).min(-86_399, error).max(86_399, error));
  }
}

function sizeFromText(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const [, digits, unit = 'B'] = SIZE.exec(value.trim()) ?? [];
  return digits === undefined ? value : Number(digits) * SIZE_UNITS[unit]!;
}

/** Text as a number where it is a plain decimal one. */
export function ratioFromText(value: unknown): unknown {
  return typeof value === 'string' && /^\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : value;
}

function listFromText(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return value.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]));
}

/** Of text only: YAML has made a decimal number of `0660` in no quotes. */
function modeFromText(value: unknown): unknown {
  const [, digits] = typeof value === 'string' ? (FILE_MODE.exec(value.trim()) ?? []) : [];
  return digits === undefined ? undefined : Number.parseInt(digits, 8);
}

/** 0 = as many as there are cores: `auto`, and -1, which is Feast's word for it. Nobody may write 0. */
function workersFromText(value: unknown): unknown {
  if (value === 'auto') return 0;
  const count = integerFromText(value);
  return count === -1 ? 0 : count === 0 ? undefined : count;
}

function offsetFromText(value: unknown): unknown {
  if (value === 'Z') return 0;
  const [, sign, hours, minutes] = typeof value === 'string' ? (OFFSET.exec(value) ?? []) : [];
  if (sign === undefined || Number(minutes) > 59) return undefined;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60);
}
