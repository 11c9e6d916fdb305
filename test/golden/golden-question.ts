import { fromBinary } from '@bufbuild/protobuf';
import { GetOnlineFeaturesRequestSchema } from '../../gen/feast/serving/ServingService_pb.ts';
import type { Value } from '../../gen/feast/types/Value_pb.ts';
import {
  canonicalJson,
  elements,
  member,
  parseExactJson,
  type ExactJson,
} from '../support/golden-json.ts';
import type { GoldenVector } from '../support/golden-vectors.ts';

/** Kinds of entity values, by the members of the `Value` oneof; `null` = null, `other` = whatever no key can be made of. */
export type EntityValueKind =
  | 'bytes'
  | 'string'
  | 'int32'
  | 'int64'
  | 'unixTimestamp'
  | 'float'
  | 'bool'
  | 'null'
  | 'other';

/** One entity value as it was sent, or as it was converted. */
export interface EntityValue {
  readonly kind: EntityValueKind;
  /** Integers as `bigint`, also that of a `null_val`; `null` where nothing was sent. */
  readonly value: string | bigint | number | boolean | Uint8Array | null;
}

/** The entity columns of a request in the order of the answer, each a value per row. */
export type EntityColumns = ReadonlyMap<string, readonly EntityValue[]>;

const NULL: EntityValue = { kind: 'null', value: null };

/** What a request asks for, whoever it is about. */
export interface Asked {
  /** Empty = none. */
  readonly featureService: string;
  readonly features: readonly string[];
  readonly fullFeatureNames: boolean;
  readonly includeVersions: boolean;
}

/** Of the request in the abstract, or of the JSON body of one that was only sent over HTTP. */
export function whatIsAsked(vector: GoldenVector): Asked {
  const { request } = vector;
  const { features, feature_service: featureService } = request;
  if (features !== undefined || featureService !== undefined || request.grpc !== undefined) {
    return {
      featureService: featureService ?? '',
      features: features ?? [],
      fullFeatureNames: request.full_feature_names === true,
      includeVersions: request.include_feature_view_version_metadata === true,
    };
  }
  const body = parsed(bodyText(vector));
  const service = member(body, 'feature_service');
  return {
    featureService: typeof service === 'string' ? service : '',
    features: elements(member(body, 'features')).filter((each) => typeof each === 'string'),
    fullFeatureNames: isTrue(member(body, 'full_feature_names')),
    includeVersions: isTrue(member(body, 'include_feature_view_version_metadata')),
  };
}

/** As Feast's HTTP server takes flags. */
function isTrue(value: ExactJson | undefined): boolean {
  const text = typeof value === 'string' ? value : canonicalJson(value ?? null);
  return /^(?:1|on|t|true|y|yes)$/i.test(text);
}

/** What was sent over JSON or gRPC; `undefined` where it is no request that has entity columns. */
export function sentColumns(vector: GoldenVector, overJson: boolean): EntityColumns | undefined {
  const { http, grpc } = vector.request;
  if (!overJson) return grpc === undefined ? undefined : columnsOfMessage(grpc.request_b64);
  return /^\/get-online-features(?:\?|$)/.test(http?.path ?? '')
    ? columnsOfBody(bodyText(vector))
    : undefined;
}

function bodyText({ request: { http } }: GoldenVector): string {
  const text = http?.body ?? Buffer.from(http?.body_b64 ?? '', 'base64').toString('utf8');
  return text.replace(/^\uFEFF/, '');
}

function columnsOfMessage(base64: string): EntityColumns {
  const request = fromBinary(GetOnlineFeaturesRequestSchema, Buffer.from(base64, 'base64'));
  const entries = Object.entries(request.entities).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return new Map(entries.map(([name, { val }]) => [name, val.map(valueOfMessage)]));
}

function valueOfMessage({ val }: Value): EntityValue {
  switch (val.case) {
    case undefined:
      return NULL;
    case 'nullVal':
      return { kind: 'null', value: 0n };
    case 'bytesVal':
      return { kind: 'bytes', value: val.value };
    case 'stringVal':
      return { kind: 'string', value: val.value };
    case 'int32Val':
      return { kind: 'int32', value: BigInt(val.value) };
    case 'int64Val':
      return { kind: 'int64', value: val.value };
    case 'unixTimestampVal':
      return { kind: 'unixTimestamp', value: val.value };
    case 'doubleVal':
    case 'floatVal':
      return { kind: 'float', value: val.value };
    case 'boolVal':
      return { kind: 'bool', value: val.value };
    default:
      return { kind: 'other', value: null };
  }
}

function columnsOfBody(body: string): EntityColumns | undefined {
  const entities = member(parsed(body), 'entities');
  if (entities === null || typeof entities !== 'object' || Array.isArray(entities))
    return undefined;
  const entries = Object.entries(entities);
  if (!entries.every(([, rows]) => Array.isArray(rows))) return undefined;
  return new Map(entries.map(([name, rows]) => [name, elements(rows).map(valueOfJson)]));
}

function parsed(text: string): ExactJson | undefined {
  try {
    return parseExactJson(text);
  } catch {
    return undefined;
  }
}

function valueOfJson(value: ExactJson): EntityValue {
  switch (typeof value) {
    case 'string':
      return { kind: 'string', value };
    case 'bigint':
      return { kind: 'int64', value };
    case 'number':
      return { kind: 'float', value };
    case 'boolean':
      return { kind: 'bool', value };
    default:
      return value === null ? NULL : { kind: 'other', value: null };
  }
}

/** Numbers of the value types that an entity key can hold → what their values are. */
const KEY_KINDS: ReadonlyMap<number, EntityValueKind> = new Map([
  [1, 'bytes'],
  [2, 'string'],
  [3, 'int32'],
  [4, 'int64'],
  [8, 'unixTimestamp'],
]);

/** Whether entity keys hold values of this type. */
export function isKeyType(valueType: number): boolean {
  return KEY_KINDS.has(valueType);
}

/**
 * Decision 4: the value in the declared type where nothing is lost on the way; `undefined` where something would be.
 * Nulls stay nulls.
 *
 * @param valueType one that keys hold
 */
export function convertLossless(sent: EntityValue, valueType: number): EntityValue | undefined {
  const kind = KEY_KINDS.get(valueType);
  if (kind === undefined) throw new Error(`no key holds type ${valueType}`);
  if (sent.kind === 'null') return sent;
  if (kind === 'bytes') return sent.kind === kind ? sent : undefined;
  if (kind === 'string') {
    const text = textOf(sent);
    return text === undefined ? undefined : { kind, value: text };
  }
  const integer = integerOf(sent);
  const bits = kind === 'int32' ? 32 : 64;
  if (integer === undefined || BigInt.asIntN(bits, integer) !== integer) return undefined;
  return { kind, value: integer };
}

function integerOf({ value }: EntityValue): bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : undefined;
  return typeof value === 'string' && /^-?[0-9]+$/.test(value) ? BigInt(value) : undefined;
}

function textOf({ kind, value }: EntityValue): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return kind === 'unixTimestamp' ? undefined : String(value);
  if (typeof value !== 'number') return undefined;
  // No vector has a number here that JavaScript and Python write differently, but for the point.
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
