import { readFileSync } from 'node:fs';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  PushRequestSchema,
  WriteToOnlineStoreRequestSchema,
} from '../../gen/feast/serving/GrpcServer_pb.ts';
import type {
  PushRequest,
  WriteToOnlineStoreRequest,
} from '../../gen/feast/serving/GrpcServer_pb.ts';
import type { Value } from '../../gen/feast/types/Value_pb.ts';
import { sharedPath } from '../support/shared.ts';
import { typedFeatures } from './typed-features.ts';

/** One recorded write: what was sent to Feast, what it answered, what changed in the store. */
export interface WriteVector {
  readonly id: string;
  readonly note: string;
  readonly store_cleared_before: boolean;
  readonly via: 'http' | 'grpc' | 'sdk';
  readonly request: {
    readonly path?: string;
    readonly body?: string;
    readonly method?: string;
    readonly request_b64?: string;
    readonly call?: 'push' | 'write_to_online_store';
    readonly args?: Readonly<Record<string, unknown>>;
  };
  readonly reply: {
    readonly status?: number;
    readonly body?: string;
    readonly code?: string;
    readonly ok?: boolean;
  };
  readonly delta: RecordedDelta;
}

interface RecordedField {
  readonly field_b64: string;
  readonly value_b64?: string;
  readonly after_b64?: string | null;
}

export interface RecordedDelta {
  readonly added?: readonly {
    readonly key_b64: string;
    readonly fields: readonly RecordedField[];
  }[];
  readonly changed?: readonly {
    readonly key_b64: string;
    readonly fields: readonly RecordedField[];
  }[];
  readonly removed?: readonly unknown[];
  readonly rows_written?: readonly Record<string, unknown>[];
}

export function readWriteVectors(variant: string): readonly WriteVector[] {
  const path = sharedPath('golden', 'scenarios', 'writes', `writes.${variant}.jsonl`);
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as WriteVector);
}

/** A write as it goes over one protocol. */
export type WriteRequest =
  | { readonly protocol: 'http'; readonly path: string; readonly body: string }
  | { readonly protocol: 'grpc'; readonly method: string; readonly message: Uint8Array };

/** The write as it was sent; calls of the SDK as its remote online store sends them. `undefined` = JSON cannot say it. */
export function requestOf({ request }: WriteVector): WriteRequest | undefined {
  if (request.body !== undefined) {
    return { protocol: 'http', path: request.path!, body: request.body };
  }
  if (request.request_b64 !== undefined) {
    const message = Buffer.from(request.request_b64, 'base64');
    return { protocol: 'grpc', method: request.method!, message };
  }
  const body = sdkBody(request.args);
  const path = request.call === 'push' ? '/push' : '/write-to-online-store';
  return body === undefined ? undefined : { protocol: 'http', path, body };
}

/** The same write over the other protocol; `undefined` where that cannot say it. */
export function otherRequest(request: WriteRequest): WriteRequest | undefined {
  return request.protocol === 'http' ? asGrpc(request.path, request.body) : asHttp(request);
}

function sdkBody(args: unknown): string | undefined {
  let isJson = true;
  const text = JSON.stringify(args, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    const [[tag, inner] = ['', undefined]] = Object.entries(value);
    if (tag === '$datetime') return inner;
    if (tag === '$float') return `$float:${inner as string}`;
    if (tag.startsWith('$')) isJson = false;
    return value;
  });
  return isJson ? text.replaceAll(/"\$float:([^"]+)"/g, '$1') : undefined;
}

interface HttpWrite {
  readonly push_source_name?: unknown;
  readonly feature_view_name?: unknown;
  readonly df?: Readonly<Record<string, unknown>>;
  readonly to?: unknown;
}

function asGrpc(path: string, body: string): WriteRequest | undefined {
  let parsed: HttpWrite;
  try {
    parsed = JSON.parse(body) as HttpWrite;
  } catch {
    return undefined;
  }
  const { df, to = 'online' } = parsed;
  const name = parsed.push_source_name ?? parsed.feature_view_name;
  const features = df === undefined || Array.isArray(df) ? undefined : typedFeatures(df);
  if (features === undefined || typeof to !== 'string' || to === '' || typeof name !== 'string') {
    return undefined;
  }
  if (path === '/push') {
    const push = { streamFeatureView: name, to, typedFeatures: features };
    const message = toBinary(PushRequestSchema, create(PushRequestSchema, push));
    return { protocol: 'grpc', method: '/GrpcFeatureServer/Push', message };
  }
  const write = { featureViewName: name, typedFeatures: features };
  const schema = WriteToOnlineStoreRequestSchema;
  const message = toBinary(schema, create(schema, write));
  return { protocol: 'grpc', method: '/GrpcFeatureServer/WriteToOnlineStore', message };
}

function asHttp(request: WriteRequest & { readonly protocol: 'grpc' }): WriteRequest | undefined {
  const isPush = request.method.endsWith('/Push');
  const message: PushRequest | WriteToOnlineStoreRequest = isPush
    ? fromBinary(PushRequestSchema, request.message)
    : fromBinary(WriteToOnlineStoreRequestSchema, request.message);
  const df: Record<string, readonly unknown[]> = {};
  for (const [name, text] of Object.entries(message.features)) df[name] = [text];
  for (const [name, value] of Object.entries(message.typedFeatures)) {
    const plain = plainOf(value);
    if (plain === undefined) return undefined;
    df[name] = [plain];
  }
  const both = Object.keys(message.features).length * Object.keys(message.typedFeatures).length;
  if (both > 0) return undefined;
  if (!('to' in message)) {
    const body = JSON.stringify({ feature_view_name: message.featureViewName, df });
    return { protocol: 'http', path: '/write-to-online-store', body };
  }
  if (message.to === '') return undefined;
  const body = JSON.stringify({ push_source_name: message.streamFeatureView, to: message.to, df });
  return { protocol: 'http', path: '/push', body };
}

function plainOf({ val }: Value): unknown {
  switch (val.case) {
    case undefined:
    case 'nullVal':
      return null;
    case 'int64Val':
      return Number(val.value);
    case 'stringListVal':
    case 'stringSetVal':
      return val.value.val;
    case 'int64ListVal':
      return val.value.val.map(Number);
    case 'stringVal':
    case 'uuidVal':
    case 'decimalVal':
    case 'jsonVal':
    case 'int32Val':
    case 'boolVal':
    case 'doubleVal':
      return val.value;
    // A float has to come back as the same digits.
    case 'floatVal':
      return Number(val.value.toPrecision(6));
    default:
      return undefined;
  }
}
