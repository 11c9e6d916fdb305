import { isCollection, isMap, isPair, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import type { Document } from 'yaml';
import { invalidConfiguration } from './configuration-error.ts';
import type { YamlPath } from './configuration-error.ts';

/** A parsed YAML mapping that still knows where things stood in its text. */
export interface YamlSource {
  readonly value: Readonly<Record<string, unknown>>;
  /** `file:line` of the key that the path names, or of the nearest existing one above it. */
  locate(path: YamlPath): string;
}

/** A file that is no YAML has a mistake at every word. */
const SHOWN_ERRORS = 5;

/** What the parser's codes mean to a reader. Its own messages quote the text, which may hold a password. */
const MEANINGS: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'an alias (*name) is wrong; put text that starts with * in quotes',
  BAD_DQ_ESCAPE: 'unknown escape in double quotes; use single quotes for text with a backslash',
  BAD_INDENT: 'wrong indentation, or a bracket or brace above is not closed',
  BAD_SCALAR_START: 'a value starts with a reserved character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'a mapping starts on the line of another key, or text contains ": "; use quotes or a new line',
  DUPLICATE_KEY: 'the same key is given twice',
  MISSING_CHAR: 'a closing quote, bracket, brace or comma is missing',
  MULTILINE_IMPLICIT_KEY: 'a key without its colon',
  MULTIPLE_DOCS: 'more than one document; one is expected',
  TAB_AS_INDENT: 'indented with a tab; YAML wants spaces',
  TAG_RESOLVE_FAILED: 'unknown tag (!name)',
};

/**
 * Parses YAML 1.1, which is what Python reads (`yes` is true, `010` is 8). An empty text is an empty mapping.
 *
 * @throws SideboardError INVALID_CONFIGURATION with `label:line` for text that is no YAML mapping
 */
export function parseYaml(text: string, label: string): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { version: '1.1', lineCounter: lines, prettyErrors: false });
  const lineOf = (offset: number): string => `${label}:${lines.linePos(offset).line}`;
  if (document.errors.length > 0) {
    const problems = document.errors.slice(0, SHOWN_ERRORS).map((error) => ({
      where: lineOf(error.pos[0]),
      message: `no valid YAML: ${MEANINGS[error.code] ?? 'unexpected text'}`,
    }));
    const more = document.errors.length - problems.length;
    if (more > 0) {
      problems.push({ where: label, message: `no valid YAML in ${more} more places: is it YAML?` });
    }
    throw invalidConfiguration(problems);
  }
  const value = toPlain(document, lineOf);
  if (value !== null && !isPlainRecord(value)) {
    throw invalidConfiguration([
      {
        where: `${label}:1`,
        message: 'a mapping of keys is expected, such as "project: my_project"',
      },
    ]);
  }
  return {
    value: value ?? {},
    locate: (path) => lineOf(offsetOf(document, path)),
  };
}

/** Whether a value is a mapping with text keys. */
export function isPlainRecord(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}

function toPlain(document: Document.Parsed, lineOf: (offset: number) => string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch {
    // Aliases are resolved only here; the library's message quotes the alias.
    throw invalidConfiguration([
      {
        where: lineOf(badAliasOffset(document)),
        message: `no valid YAML: ${MEANINGS['BAD_ALIAS']}`,
      },
    ]);
  }
}

/** Where the first alias without an anchor stands; 0 when all have one and there are too many of them. */
function badAliasOffset(document: Document.Parsed): number {
  let offset = 0;
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return undefined;
      offset = alias.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return offset;
}

function offsetOf(document: Document.Parsed, path: YamlPath): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(step),
      );
      if (!isPair(pair)) return offset;
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isCollection(node)) {
      node = node.items[Number(step)];
      const range = (node as { range?: readonly [number, number, number] } | undefined)?.range;
      if (range === undefined) return offset;
      offset = range[0];
    } else return offset;
  }
  return offset;
}
