import { fromBinary } from '@bufbuild/protobuf';
import {
  FieldStatus,
  GetOnlineFeaturesResponseSchema,
  type GetOnlineFeaturesResponse,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { canonicalFloat, canonicalJson, elements, member, parseExactJson } from './golden-json.ts';
import type { ExactJson } from './golden-json.ts';

/**
 * One value of an answer, each part as text that equal ones share: the value (`null` = no value), the name of its
 * status, and its event timestamp as `seconds.nanos`. `-` stands for a part that the answer lacks.
 */
export interface GoldenCell {
  readonly value: string;
  readonly status: string;
  readonly timestamp: string;
}

export interface GoldenColumn {
  readonly name: string;
  readonly cells: readonly GoldenCell[];
}

/** Features, whatever the protocol they came over. */
export interface FeaturesAnswer {
  readonly kind: 'features';
  /** In the order of the answer. */
  readonly columns: readonly GoldenColumn[];
  /** `name@version` per entry of the feature view metadata. */
  readonly viewMetadata: readonly string[];
}

/** Anything but features. */
export interface RefusedAnswer {
  readonly kind: 'refused';
  /** Name of the gRPC code, or the HTTP status. */
  readonly status: string;
  /**
   * Whatever else must be equal: over HTTP the class of `feast.errors`, the `Allow` header, or the body where it is
   * neither text nor such an error; empty over gRPC.
   */
  readonly shape: string;
  /** Of the error. Feast's is not compared: rules recognise causes by it. */
  readonly text: string;
  /** What the text has to say; only in expected answers. */
  readonly says?: RegExp;
}

/** An answer too large to be recorded: the digest of its canonical bytes. */
export interface DigestAnswer {
  readonly kind: 'digest';
  readonly sha256: string;
}

export type GoldenAnswer = FeaturesAnswer | RefusedAnswer | DigestAnswer;

const STATUS_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(FieldStatus).map(([name, number]) => [number, name]),
);

export const NO_VALUE = 'null';
export const EPOCH = '0.000000000';
const LACKING = '-';

/** Reads the bytes of a `GetOnlineFeaturesResponse`. */
export function answerFromMessage(bytes: Uint8Array): FeaturesAnswer {
  return answerFromResponse(fromBinary(GetOnlineFeaturesResponseSchema, bytes));
}

export function answerFromResponse(response: GetOnlineFeaturesResponse): FeaturesAnswer {
  const names = response.metadata?.featureNames?.val ?? [];
  const columns = pairColumns(names, response.results, (result) =>
    cells({
      values: result.values.map((value) =>
        value.val.case === undefined && value.$unknown === undefined
          ? NO_VALUE
          : canonicalMessage(value),
      ),
      statuses: result.statuses.map((status) => STATUS_NAMES.get(status) ?? String(status)),
      timestamps: result.eventTimestamps.map(({ seconds, nanos }) => timestampText(seconds, nanos)),
    }),
  );
  const viewMetadata = (response.metadata?.featureViewMetadata ?? []).map(
    ({ name, version }) => `${name}@${version}`,
  );
  return { kind: 'features', columns, viewMetadata };
}

/** Text of a protobuf-es message that equal messages share, whatever the order of their maps. Unknown fields count. */
export function canonicalMessage(value: unknown): string {
  if (typeof value === 'number') return canonicalFloat(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('base64')}`;
  if (Array.isArray(value)) return `[${value.map(canonicalMessage).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined';
  const entries = Object.entries(value)
    .filter(([key, inner]) => key !== '$typeName' && inner !== undefined)
    .map(([key, inner]) => `${key}:${canonicalMessage(inner)}`)
    .toSorted();
  return `{${entries.join(',')}}`;
}

/** What an HTTP server answered. */
export interface HttpReply {
  readonly status: number;
  /** `null` = none. */
  readonly contentType: string | null;
  /** The `Allow` header, `null` = none. */
  readonly allow: string | null;
  readonly body: string;
}

/** Reads an answer of Feast's JSON API, or of whatever answers on its paths. */
export function answerFromHttp(reply: HttpReply): GoldenAnswer {
  const isJson = reply.contentType?.startsWith('application/json') === true && reply.body !== '';
  const body = isJson ? parseExactJson(reply.body) : undefined;
  if (reply.status === 200 && member(body, 'results') !== undefined) {
    return answerFromJson(body as ExactJson);
  }
  const allow = reply.allow === null ? '' : `Allow: ${reply.allow}; `;
  const refused = { kind: 'refused', status: String(reply.status) } as const;
  if (typeof body !== 'string') {
    // What stands beneath a redirection is nobody's contract.
    const rest = body === undefined || reply.status === 307 ? '' : canonicalJson(body);
    return { ...refused, shape: allow + rest, text: rest };
  }
  const feastClass = feastErrorClass(body);
  return { ...refused, shape: allow + (feastClass ?? 'text'), text: body };
}

/** The class in Feast's doubly encoded error, or `undefined` where the text is no such error. */
function feastErrorClass(text: string): string | undefined {
  try {
    const error = parseExactJson(text);
    const module = member(error, 'module');
    const name = member(error, 'class');
    return typeof module === 'string' && typeof name === 'string' ? `${module}.${name}` : undefined;
  } catch {
    return undefined;
  }
}

function answerFromJson(body: ExactJson): FeaturesAnswer {
  const metadata = member(body, 'metadata');
  const names = elements(member(metadata, 'feature_names')).map(textOf);
  const columns = pairColumns(names, elements(member(body, 'results')), (result) =>
    cells({
      values: elements(member(result, 'values')).map(canonicalJson),
      statuses: elements(member(result, 'statuses')).map(textOf),
      timestamps: elements(member(result, 'event_timestamps')).map(timestampOfRfc3339),
    }),
  );
  const viewMetadata = elements(member(metadata, 'feature_view_metadata')).map((entry) => {
    const version = member(entry, 'version') ?? 0n;
    return `${textOf(member(entry, 'name') ?? '')}@${textOf(version)}`;
  });
  return { kind: 'features', columns, viewMetadata };
}

function pairColumns<Result>(
  names: readonly string[],
  results: readonly Result[],
  cellsOf: (result: Result) => readonly GoldenCell[],
): readonly GoldenColumn[] {
  if (names.length !== results.length) {
    throw new Error(`an answer has ${names.length} names for ${results.length} results`);
  }
  return results.map((result, index) => ({
    name: names[index] ?? LACKING,
    cells: cellsOf(result),
  }));
}

function cells(parts: {
  readonly values: readonly string[];
  readonly statuses: readonly string[];
  readonly timestamps: readonly string[];
}): readonly GoldenCell[] {
  const { values, statuses, timestamps } = parts;
  const rowCount = Math.max(values.length, statuses.length, timestamps.length);
  return Array.from({ length: rowCount }, (_, row) => ({
    value: values[row] ?? LACKING,
    status: statuses[row] ?? LACKING,
    timestamp: timestamps[row] ?? LACKING,
  }));
}

function timestampText(seconds: bigint, nanos: number): string {
  return `${seconds}.${String(nanos).padStart(9, '0')}`;
}

/** A string as it is, anything else as JSON. */
function textOf(value: ExactJson): string {
  return typeof value === 'string' ? value : canonicalJson(value);
}

function timestampOfRfc3339(value: ExactJson): string {
  const text = textOf(value);
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{3}|\d{6}|\d{9}))?Z$/.exec(text);
  const ms = match === null ? Number.NaN : Date.parse(`${match[1]}Z`);
  if (Number.isNaN(ms)) return `no timestamp: ${text}`;
  return timestampText(BigInt(ms / 1000), Number((match?.[2] ?? '').padEnd(9, '0')));
}

/** What `actual` has otherwise than `expected`, one line each; empty = equal. Columns are paired by name. */
export function differences(expected: GoldenAnswer, actual: GoldenAnswer): readonly string[] {
  const wanted = describeAnswer(expected);
  const got = describeAnswer(actual);
  const lines: string[] = [];
  for (const [key, value] of wanted) {
    if (got.get(key) !== value)
      lines.push(`${key}: expected ${value}, got ${got.get(key) ?? 'nothing'}`);
  }
  for (const [key, value] of got) {
    if (!wanted.has(key)) lines.push(`${key}: expected nothing, got ${value}`);
  }
  if (expected.kind === 'refused' && actual.kind === 'refused') {
    if (expected.says?.test(actual.text) === false) {
      lines.push(`text: expected to match ${String(expected.says)}, got ${actual.text}`);
    }
  }
  return lines;
}

/** Whether two answers are the same to a client, whatever the texts of errors. */
export function isSameAnswer(one: GoldenAnswer, other: GoldenAnswer): boolean {
  const facts = describeAnswer(one);
  const others = describeAnswer(other);
  return (
    facts.size === others.size && [...facts].every(([key, value]) => others.get(key) === value)
  );
}

/** Every fact of an answer that counts, by what it is about. */
function describeAnswer(answer: GoldenAnswer): ReadonlyMap<string, string> {
  const facts = new Map<string, string>([['kind', answer.kind]]);
  if (answer.kind === 'digest') return facts.set('sha256', answer.sha256);
  if (answer.kind === 'refused') {
    return facts.set('status', answer.status).set('shape', answer.shape);
  }
  if (answer.viewMetadata.length > 0) facts.set('view metadata', answer.viewMetadata.join(' '));
  const occurrences = new Map<string, number>();
  for (const { name, cells: columnCells } of answer.columns) {
    const occurrence = occurrences.get(name) ?? 0;
    occurrences.set(name, occurrence + 1);
    const key = occurrence === 0 ? `column ${name}` : `column ${name} (again)`;
    facts.set(key, `${columnCells.length} rows`);
    for (const [row, { value, status, timestamp }] of columnCells.entries()) {
      facts.set(`${key} row ${row}`, `${value} ${status} ${timestamp}`);
    }
  }
  return facts;
}
