import { BodyRejected, detailAnswer, rejectIssues, type BodyIssue } from './feast-error.ts';
import { JsonSyntaxError, parseJson, type JsonObject, type JsonValue } from './json-parser.ts';
import { echoText } from './json-text.ts';

// No `ignoreBOM`: Feast's server takes a body that begins with a byte order mark.
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** A caller hears of so many mistakes; each costs more than the two bytes that it takes to make one. */
const MAX_ISSUES = 1000;

const TRUE_WORDS: ReadonlySet<string> = new Set(['1', 'on', 't', 'true', 'y', 'yes']);
const FALSE_WORDS: ReadonlySet<string> = new Set(['0', 'off', 'f', 'false', 'n', 'no']);

/**
 * The members of a request body, read one by one as FastAPI does it for Feast's server: what is wrong is gathered, so that
 * the caller hears of everything at once. Members that nobody reads are ignored.
 */
export interface JsonBody {
  readonly members: JsonObject;
  /** Adds a complaint about what stands at `loc`. @throws BodyRejected where there are very many */
  complain(type: string, loc: readonly (string | number)[], msg: string, value: JsonValue): void;
  /** A member that has to be there; its absence is a complaint. */
  require(name: string): JsonValue | undefined;
  /** A text that has to be there. */
  requireText(name: string): string;
  /** An object that has to be there. */
  requireObject(name: string): JsonObject;
  /** A text, or the fallback where it is absent; null is a complaint. */
  text(name: string, fallback: string): string;
  /** A text; `undefined` where it is absent or null. */
  optionalText(name: string): string | undefined;
  /** A list of texts, or the fallback where it is absent; null too where `takesNull`. */
  texts(name: string, takesNull: boolean): readonly string[] | undefined;
  /** A flag as pydantic takes it: a bool, 0 or 1, or one of the usual words; the fallback where it is absent. */
  bool(name: string, fallback: boolean): boolean;
  /** @throws BodyRejected where there are complaints. */
  finish(): void;
}

/**
 * Opens the body of a request that takes a JSON object.
 *
 * @param contentType the header; a body that does not say it is JSON is refused, as by FastAPI
 * @throws BodyRejected where it is no JSON object
 */
export function openJsonBody(body: Uint8Array, contentType: string | undefined): JsonBody {
  const members = parseBody(body, contentType);
  const issues: BodyIssue[] = [];
  const complain: JsonBody['complain'] = (type, loc, msg, value) => {
    issues.push({ type, loc: ['body', ...loc], msg, input: echoText(value) });
    if (issues.length === MAX_ISSUES) throw rejectIssues(issues);
  };
  const notText = (loc: readonly (string | number)[], value: JsonValue): void =>
    complain('string_type', loc, 'Input should be a valid string', value);
  const json: JsonBody = {
    members,
    complain,
    require(name) {
      const value = members.get(name);
      if (value === undefined) {
        issues.push({
          type: 'missing',
          loc: ['body', name],
          msg: 'Field required',
          input: echoText(members),
        });
      }
      return value;
    },
    requireText(name) {
      const value = json.require(name);
      if (value === undefined || typeof value === 'string') return value ?? '';
      notText([name], value);
      return '';
    },
    requireObject(name) {
      const value = json.require(name);
      if (value instanceof Map) return value as JsonObject;
      if (value !== undefined) {
        complain('dict_type', [name], 'Input should be a valid dictionary', value);
      }
      return new Map();
    },
    text(name, fallback) {
      const value = members.get(name);
      if (value === undefined || typeof value === 'string') return value ?? fallback;
      notText([name], value);
      return fallback;
    },
    optionalText(name) {
      const value = members.get(name) ?? null;
      if (value === null || typeof value === 'string') return value ?? undefined;
      notText([name], value);
      return undefined;
    },
    texts(name, takesNull) {
      const value = members.get(name);
      if (value === undefined || (value === null && takesNull)) return undefined;
      if (!Array.isArray(value)) {
        complain('list_type', [name], 'Input should be a valid list', value);
        return undefined;
      }
      (value as readonly JsonValue[]).forEach((item, index) => {
        if (typeof item !== 'string') notText([name, index], item);
      });
      return value as readonly string[];
    },
    bool(name, fallback) {
      const value = members.get(name);
      if (value === undefined) return fallback;
      if (typeof value === 'boolean') return value;
      const word = boolWord(value);
      if (word === undefined) {
        complain('bool_type', [name], 'Input should be a valid boolean', value);
        return fallback;
      }
      if (!TRUE_WORDS.has(word) && !FALSE_WORDS.has(word)) {
        const msg = 'Input should be a valid boolean, unable to interpret input';
        complain('bool_parsing', [name], msg, value);
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

function parseBody(body: Uint8Array, contentType: string | undefined): JsonObject {
  if (body.length === 0) {
    throw rejectIssues([{ type: 'missing', loc: ['body'], msg: 'Field required', input: 'null' }]);
  }
  const text = decodeText(body);
  const value = isJson(contentType) ? parseText(text) : text;
  if (value instanceof Map) return value as JsonObject;
  throw rejectIssues([
    {
      type: 'model_attributes_type',
      loc: ['body'],
      msg: 'Input should be a valid dictionary or object to extract fields from',
      input: echoText(value),
    },
  ]);
}

/** `application/json` and everything that says it is JSON inside, such as `application/vnd.api+json`. */
function isJson(contentType: string | undefined): boolean {
  return /^\s*application\/(?:json|[^\s;]+\+json)\s*(?:;|$)/i.test(contentType ?? '');
}

function decodeText(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch {
    throw new BodyRejected(detailAnswer(400, 'There was an error parsing the body'));
  }
}

function parseText(text: string): JsonValue {
  try {
    return parseJson(text);
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

/** What might be read as a bool, as a word; `undefined` for what never is. */
function boolWord(value: JsonValue): string | undefined {
  if (typeof value === 'string') return value.toLowerCase();
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (value === null || typeof value !== 'object' || !('float' in value)) return undefined;
  return Number.isInteger(value.float) ? String(value.float) : undefined;
}
