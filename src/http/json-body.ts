import { isUtf8, type Buffer } from 'node:buffer';
import { BodyRejected, detailAnswer, rejectIssues, type BodyIssue } from './feast-error.ts';
import { readJson } from './json-parser.ts';
import { createJsonScalar, JsonKind } from './json-scalar.ts';
import { opensStructure, readScalar, stringOf } from './read-json-scalar.ts';
import { JsonStrings } from './json-strings.ts';
import { checkJson, JsonSyntaxError, type VisitMember } from './json-syntax.ts';
import { cutEcho, echoText } from './json-text.ts';
import { nextItemAt, skipValue, wantedName } from './json-walk.ts';

/** A caller hears of so many mistakes; each costs more than the two bytes that it takes to make one. */
const MAX_ISSUES = 1000;
/** A value of more is not read to be repeated. */
const MAX_ECHO_BYTES = 16 * 1024;

const NO_STRING = 'Input should be a valid string';

const QUOTE = 0x22;
const OPEN_ARRAY = 0x5b;
const LETTER_N = 0x6e;
const OPEN_OBJECT = 0x7b;

const TRUE_WORDS: ReadonlySet<string> = new Set(['1', 'on', 't', 'true', 'y', 'yes']);
const FALSE_WORDS: ReadonlySet<string> = new Set(['0', 'off', 'f', 'false', 'n', 'no']);

/**
 * The members of a request body, read one by one as FastAPI does it for Feast's server: what is wrong is gathered, so that
 * the caller hears of everything at once. Members that nobody reads are ignored, but have to be JSON.
 */
export interface JsonBody<Name extends string> {
  /** The whole text, checked. */
  readonly text: Buffer;
  /** Where the value of a member begins; `undefined` where it is absent or null. */
  find(name: Name): number | undefined;
  /** Adds a complaint about what stands at `loc`, and in the text at `at`. @throws BodyRejected where there are very many */
  complain(type: string, loc: readonly (string | number)[], msg: string, at: number): void;
  /** A text that has to be there. */
  requireText(name: Name): string;
  /** Where the object begins that has to be there; `undefined` where it is not, which is a complaint. */
  requireObject(name: Name): number | undefined;
  /** A text, or the fallback where it is absent; null is a complaint. */
  getText(name: Name, fallback: string): string;
  /** A text; `undefined` where it is absent or null. */
  optionalText(name: Name): string | undefined;
  /** A list of texts, or the fallback where it is absent; null too where `takesNull`. */
  texts(name: Name, takesNull: boolean): readonly string[] | undefined;
  /** A flag as pydantic takes it: a bool, 0 or 1, or one of the usual words; the fallback where it is absent. */
  bool(name: Name, fallback: boolean): boolean;
  /** @throws BodyRejected where there are complaints. */
  finish(): void;
}

/** Where the value of a member is. */
interface Member {
  readonly at: number;
  readonly end: number;
}

/** Looked at as soon as it is read. */
const scalar = createJsonScalar();

/**
 * Opens the body of a request that takes a JSON object.
 *
 * @param contentType the header; a body that does not say it is JSON is refused, as by FastAPI
 * @param names members that are read
 * @throws BodyRejected where it is no JSON object
 */
export function openJsonBody<const Name extends string>(
  body: Buffer,
  contentType: string | undefined,
  names: readonly Name[],
): JsonBody<Name> {
  if (body.length === 0) {
    throw rejectIssues([{ type: 'missing', loc: ['body'], msg: 'Field required', input: 'null' }]);
  }
  const text = withoutMark(body);
  const members = new Map<Name, Member>();
  const start = checkBody(text, contentType, (nameAt, at, end) => {
    const name = wantedName(text, nameAt, names);
    if (name !== undefined) members.set(name, { at, end });
  });
  const issues: BodyIssue[] = [];
  const complain: JsonBody<Name>['complain'] = (type, loc, msg, at) => {
    issues.push({ type, loc: ['body', ...loc], msg, input: echoAt(text, at) });
    if (issues.length === MAX_ISSUES) throw rejectIssues(issues);
  };
  const requireAt = (name: Name): number | undefined => {
    const member = members.get(name);
    if (member === undefined) complain('missing', [name], 'Field required', start);
    return member?.at;
  };
  const textAt = (loc: readonly (string | number)[], at: number): string | undefined => {
    if (text[at] === QUOTE) return readText(text, at);
    complain('string_type', loc, NO_STRING, at);
    return undefined;
  };
  const find = (name: Name): number | undefined => {
    const member = members.get(name);
    return member === undefined || text[member.at] === LETTER_N ? undefined : member.at;
  };
  const json: JsonBody<Name> = {
    text,
    find,
    complain,
    requireText(name) {
      const at = requireAt(name);
      return (at === undefined ? undefined : textAt([name], at)) ?? '';
    },
    requireObject(name) {
      const at = requireAt(name);
      if (at === undefined || text[at] === OPEN_OBJECT) return at;
      complain('dict_type', [name], 'Input should be a valid dictionary', at);
      return undefined;
    },
    getText(name, fallback) {
      const member = members.get(name);
      return (member === undefined ? undefined : textAt([name], member.at)) ?? fallback;
    },
    optionalText(name) {
      const at = find(name);
      return at === undefined ? undefined : textAt([name], at);
    },
    texts(name, takesNull) {
      const member = members.get(name);
      if (member === undefined) return undefined;
      const { at, end } = member;
      if (takesNull && text[at] === LETTER_N) return undefined;
      if (text[at] !== OPEN_ARRAY) {
        complain('list_type', [name], 'Input should be a valid list', at);
        return undefined;
      }
      const strings = new JsonStrings(text, at, end);
      const texts: string[] = [];
      for (let item = nextItemAt(text, at); item > 0;) {
        let after: number;
        if (text[item] === QUOTE) {
          after = strings.read(item);
          texts.push(strings.value);
        } else {
          complain('string_type', [name, texts.length], NO_STRING, item);
          after = skipValue(text, item);
          texts.push('');
        }
        item = nextItemAt(text, after);
      }
      return texts;
    },
    bool(name, fallback) {
      const at = members.get(name)?.at;
      if (at === undefined) return fallback;
      const word = boolWord(text, at);
      if (word === undefined) {
        complain('bool_type', [name], 'Input should be a valid boolean', at);
        return fallback;
      }
      if (!TRUE_WORDS.has(word) && !FALSE_WORDS.has(word)) {
        const msg = 'Input should be a valid boolean, unable to interpret input';
        complain('bool_parsing', [name], msg, at);
      }
      return TRUE_WORDS.has(word);
    },
    finish() {
      if (issues.length > 0) throw rejectIssues(issues);
    },
  };
  return json;
}

/** A flag of a query string, as FastAPI reads it; false where it is absent. @throws BodyRejected for any other word */
export function queryFlag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  if (value === null) return false;
  const word = value.toLowerCase();
  if (TRUE_WORDS.has(word)) return true;
  if (FALSE_WORDS.has(word)) return false;
  throw rejectIssues([
    {
      type: 'bool_parsing',
      loc: ['query', name],
      msg: 'Input should be a valid boolean, unable to interpret input',
      input: echoText(value),
    },
  ]);
}

/** Feast's server takes a body that begins with a byte order mark. */
function withoutMark(body: Buffer): Buffer {
  const isMarked = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
  return isMarked ? body.subarray(3) : body;
}

/** Where the object begins that a body is. @throws BodyRejected where it is none */
function checkBody(text: Buffer, contentType: string | undefined, visit: VisitMember): number {
  if (!isUtf8(text)) {
    throw new BodyRejected(detailAnswer(400, 'There was an error parsing the body'));
  }
  const start = isJson(contentType) ? checkText(text, visit) : -1;
  if (start >= 0 && text[start] === OPEN_OBJECT) return start;
  throw rejectIssues([
    {
      type: 'model_attributes_type',
      loc: ['body'],
      msg: 'Input should be a valid dictionary or object to extract fields from',
      input: start < 0 ? echoText(text.toString('utf8')) : echoAt(text, start),
    },
  ]);
}

/** `application/json` and everything that says it is JSON inside, such as `application/vnd.api+json`. */
function isJson(contentType: string | undefined): boolean {
  return /^\s*application\/(?:json|[^\s;]+\+json)\s*(?:;|$)/i.test(contentType ?? '');
}

function checkText(text: Buffer, visit: VisitMember): number {
  try {
    return checkJson(text, visit);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw rejectIssues([
      {
        type: 'json_invalid',
        loc: ['body', error.position],
        msg: 'JSON decode error',
        input: '{}',
        ctx: { error: error.message },
      },
    ]);
  }
}

/** What an error repeats of the value at `at`. */
function echoAt(text: Buffer, at: number): string {
  const end = skipValue(text, at);
  return end - at > MAX_ECHO_BYTES ? cutEcho(text, at) : echoText(readJson(text, at));
}

function readText(text: Buffer, at: number): string {
  readScalar(text, at, scalar);
  return stringOf(text, scalar);
}

/** What might be read as a bool, as a word; `undefined` for what never is. */
function boolWord(text: Buffer, at: number): string | undefined {
  if (opensStructure(text[at]!)) return undefined;
  readScalar(text, at, scalar);
  switch (scalar.kind) {
    case JsonKind.STRING:
      return stringOf(text, scalar).toLowerCase();
    case JsonKind.BOOL:
      return String(scalar.low);
    case JsonKind.INTEGER:
    case JsonKind.HUGE_INTEGER:
      return text.toString('latin1', scalar.start, scalar.end).replace(/^-0$/, '0');
    case JsonKind.FLOAT:
      return Number.isInteger(scalar.float) ? String(scalar.float) : undefined;
    default:
      return undefined;
  }
}
