/** A `name_pattern` as Feast matches it: Python's `re.fullmatch`. */
export type NamePattern = (name: string) => boolean;

const WORD = '\\p{L}\\p{N}_';
const SPACE = '\\s';

/** What Python's classes of characters are in a regular expression of JavaScript, inside `[…]`. */
const CLASSES: Readonly<Record<string, string>> = { w: WORD, d: '\\p{Nd}', s: SPACE };
/** Escapes that mean the same in both; `\b` does not: letters beyond ASCII are none to JavaScript's. */
const SAME_ESCAPE = /^[fnrtv\dxu]$/;
/** Flags of Python at the beginning: `(?i)`, `(?s)`. Others change how the pattern is read. */
const LEADING_FLAGS = /^\(\?([is]+)\)/;

/**
 * Translates a regular expression of Python. Names of groups and the like differ between the languages; what cannot be
 * translated for certain is `undefined`, and a permission with such a pattern alone grants nothing.
 */
export function compileNamePattern(pattern: string): NamePattern | undefined {
  const flags = LEADING_FLAGS.exec(pattern)?.[1] ?? '';
  const body = translate(flags === '' ? pattern : pattern.slice(flags.length + 3));
  if (body === undefined) return undefined;
  try {
    const compiled = new RegExp(`^(?:${body})$`, `u${[...new Set(flags)].join('')}`);
    return (name) => compiled.test(name);
  } catch {
    return undefined;
  }
}

function translate(pattern: string): string | undefined {
  let text = '';
  /** Where the first character of the class is that we are in; a bracket there is one of its characters. */
  let classStart = -1;
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!;
    const next = pattern[at + 1];
    if (char === '\\') {
      const escape = next === undefined ? undefined : translateEscape(next, classStart >= 0);
      if (escape === undefined) return undefined;
      text += escape;
      at += 1;
    } else if (classStart >= 0) {
      const isLiteralBracket = char === '[' || (char === ']' && at === classStart);
      text += isLiteralBracket ? `\\${char}` : char;
      if (char === ']' && !isLiteralBracket) classStart = -1;
    } else if (char === '[') {
      const start = next === '^' ? '[^' : '[';
      text += start;
      at += start.length - 1;
      classStart = at + 1;
    } else if (pattern.startsWith('(?P<', at)) {
      text += '(?<';
      at += 3;
    } else if (char === '(' && next === '?' && !/^\(\?(?::|=|!|<=|<!)/.test(pattern.slice(at))) {
      return undefined;
    } else text += char === ']' ? '\\]' : char;
  }
  return text;
}

function translateEscape(char: string, inClass: boolean): string | undefined {
  const positive = CLASSES[char];
  if (positive !== undefined) return inClass ? positive : `[${positive}]`;
  const negative = CLASSES[char.toLowerCase()];
  if (negative !== undefined) return inClass ? undefined : `[^${negative}]`;
  if (char === 'A' || char === 'Z') return inClass ? undefined : char === 'A' ? '^' : '$';
  if (SAME_ESCAPE.test(char)) return `\\${char}`;
  // An escaped letter that is none of these means something in one of the languages alone.
  if (/[\p{L}\p{N}]/u.test(char) || char > '\u007f') return undefined;
  return /[\^$\\.*+?()[\]{}|/-]/.test(char) && (inClass || char !== '-') ? `\\${char}` : char;
}
