import { requestFromColumns, type EncodedColumn } from '../retrieval/request-from-columns.ts';
import type { RetrievalRequest } from '../retrieval/retrieval-request.ts';
import { encodeJsonValue } from './encode-json-value.ts';
import { BodyRejected, detailAnswer, rejectIssues, type BodyIssue } from './feast-error.ts';
import { JsonSyntaxError, parseJson, type JsonObject, type JsonValue } from './json-parser.ts';
import { echoText } from './json-text.ts';

// No `ignoreBOM`: Feast's server takes a body that begins with a byte order mark.
const utf8 = new TextDecoder('utf-8', { fatal: true });

const TRUE_WORDS: ReadonlySet<string> = new Set(['1', 'on', 't', 'true', 'y', 'yes']);
const FALSE_WORDS: ReadonlySet<string> = new Set(['0', 'off', 'f', 'false', 'n', 'no']);

/**
 * Reads the body of `POST /get-online-features` as Feast's server does: `entities` (an object of arrays),
 * `feature_service`, `features`, `full_feature_names`, `include_feature_view_version_metadata`; `request_context` as the
 * Go server has it; other members are ignored. An empty `feature_service` counts as none.
 *
 * @param contentType the header; a body that does not say it is JSON is refused, as by FastAPI
 * @throws BodyRejected with FastAPI's complaints
 */
export function parseFeastRequest(
  body: Uint8Array,
  contentType: string | undefined,
): RetrievalRequest {
  const members = parseBody(body, contentType);
  const issues: BodyIssue[] = [];
  const columns = readColumns(members, 'entities', issues);
  const featureService = readServiceName(members, issues);
  const features = readFeatures(members, issues);
  const fullFeatureNames = readBool(members, 'full_feature_names', issues);
  const includeVersionMetadata = readBool(members, 'include_feature_view_version_metadata', issues);
  const context = members.get('request_context') ?? null;
  const contextColumns = context === null ? [] : readColumns(members, 'request_context', issues);
  if (issues.length > 0) throw rejectIssues(issues);
  return requestFromColumns(
    {
      featureService: featureService === '' ? undefined : featureService,
      features,
      fullFeatureNames,
      includeVersionMetadata,
    },
    columns,
    contextColumns,
  );
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

/** An object of arrays, one array per column. */
function readColumns(members: JsonObject, name: string, issues: BodyIssue[]): EncodedColumn[] {
  const value = members.get(name);
  if (value === undefined) {
    issues.push({
      type: 'missing',
      loc: ['body', name],
      msg: 'Field required',
      input: echoText(members),
    });
    return [];
  }
  if (!(value instanceof Map)) {
    issues.push(issue('dict_type', [name], 'Input should be a valid dictionary', value));
    return [];
  }
  const columns: EncodedColumn[] = [];
  for (const [column, rows] of value as JsonObject) {
    if (Array.isArray(rows)) {
      columns.push({ name: column, values: (rows as readonly JsonValue[]).map(encodeJsonValue) });
    } else {
      issues.push(issue('list_type', [name, column], 'Input should be a valid list', rows));
    }
  }
  return columns;
}

function readServiceName(members: JsonObject, issues: BodyIssue[]): string | undefined {
  const value = members.get('feature_service') ?? null;
  if (value === null || typeof value === 'string') return value ?? undefined;
  issues.push(issue('string_type', ['feature_service'], 'Input should be a valid string', value));
  return undefined;
}

function readFeatures(members: JsonObject, issues: BodyIssue[]): readonly string[] {
  const value = members.get('features');
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    issues.push(issue('list_type', ['features'], 'Input should be a valid list', value));
    return [];
  }
  for (const [index, feature] of (value as readonly JsonValue[]).entries()) {
    if (typeof feature !== 'string') {
      issues.push(
        issue('string_type', ['features', index], 'Input should be a valid string', feature),
      );
    }
  }
  return value as readonly string[];
}

/** A flag as pydantic takes it: a bool, 0 or 1, or one of the usual words; false where it is absent. */
function readBool(members: JsonObject, name: string, issues: BodyIssue[]): boolean {
  const value = members.get(name);
  if (value === undefined) return false;
  if (typeof value === 'boolean') return value;
  const word = boolWord(value);
  if (word === undefined) {
    issues.push(issue('bool_type', [name], 'Input should be a valid boolean', value));
    return false;
  }
  if (!TRUE_WORDS.has(word) && !FALSE_WORDS.has(word)) {
    const msg = 'Input should be a valid boolean, unable to interpret input';
    issues.push(issue('bool_parsing', [name], msg, value));
  }
  return TRUE_WORDS.has(word);
}

/** What might be read as a bool, as a word; `undefined` for what never is. */
function boolWord(value: JsonValue): string | undefined {
  if (typeof value === 'string') return value.toLowerCase();
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (value === null || typeof value !== 'object' || !('float' in value)) return undefined;
  return Number.isInteger(value.float) ? String(value.float) : undefined;
}

function issue(
  type: string,
  loc: readonly (string | number)[],
  msg: string,
  value: JsonValue,
): BodyIssue {
  return { type, loc: ['body', ...loc], msg, input: echoText(value) };
}
