/** What a setting holds. Sizes are bytes and may be written `16MiB`; a secret is never printed. */
export type SettingKind =
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  | { readonly type: 'bytes'; readonly min: number; readonly max: number }
  | { readonly type: 'boolean' }
  | { readonly type: 'choice'; readonly choices: readonly string[] }
  | { readonly type: 'text' }
  | { readonly type: 'secret' }
  | { readonly type: 'file' }
  | { readonly type: 'ratio' }
  | { readonly type: 'list' }
  | { readonly type: 'file_mode' }
  | { readonly type: 'workers' }
  | { readonly type: 'utc_offset' };

/** One setting of our own: a key of the `sideboard:` block, an environment variable and a flag at once. */
export interface Setting {
  /** Key under `sideboard:`; `SIDEBOARD_` + upper case is its variable, `--` + hyphens its flag. */
  readonly name: string;
  readonly kind: SettingKind;
  /** `undefined` = not set. */
  readonly default: string | number | boolean | undefined;
  /** Of the number, for the documentation. */
  readonly unit?: string;
  /** One or two sentences. */
  readonly doc: string;
}

export const MIB = 1024 * 1024;
const MAX_COUNT = 2 ** 31 - 1;
/** Node's timers take no longer delay. */
const MAX_DELAY_MS = 2 ** 31 - 1;

// Not annotated: the types of values are derived from what these return.
export const count = (min = 1) => ({ type: 'integer', min, max: MAX_COUNT }) as const;
export const milliseconds = (min: number) => ({ type: 'integer', min, max: MAX_DELAY_MS }) as const;
/** A port number; 0 = any free one. */
export const port = { type: 'integer', min: 0, max: 65_535 } as const;
export const bytes = { type: 'bytes', min: 1024, max: 2 ** 32 - 1 } as const;
export const choice = <const Choices extends readonly string[]>(...choices: Choices) =>
  ({ type: 'choice', choices }) as const;
