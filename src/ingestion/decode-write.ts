import { isUtf8 } from 'node:buffer';
import { isValueMessage } from '../feast-encoding/value-check.ts';
import { varintHigh32, varintLow32 } from '../feast-encoding/varint.ts';
import { MAX_NESTING, skipLength, skipPayload, skipTag, WireType } from '../feast-encoding/wire.ts';
import { invalidFrame } from './write-errors.ts';
import { checkColumnCount, singleRowFrame } from './write-frame.ts';
import type { WriteFrame } from './write-frame.ts';

/** A `PushRequest` or `WriteToOnlineStoreRequest` of Feast's gRPC server: one row. */
export interface DecodedWrite {
  /** Push source or feature view. */
  readonly name: string;
  readonly allowRegistryCache: boolean;
  /** Push mode; '' where the message has none. */
  readonly to: string;
  readonly frame: WriteFrame;
}

/** Field numbers of the two messages (Feast: `protos/feast/serving/GrpcServer.proto`). */
interface WriteMessage {
  readonly typeName: string;
  readonly to: number | undefined;
  readonly typedFeatures: number;
}

const FEATURES = 1;
const NAME = 2;
const ALLOW_REGISTRY_CACHE = 3;

const PUSH: WriteMessage = { typeName: 'PushRequest', to: 4, typedFeatures: 5 };
const WRITE: WriteMessage = {
  typeName: 'WriteToOnlineStoreRequest',
  to: undefined,
  typedFeatures: 4,
};

/** @throws SideboardError INVALID_REQUEST where the bytes are no such message or set both maps. */
export function decodePush(message: Uint8Array): DecodedWrite {
  return decodeWrite(message, PUSH);
}

/** @throws SideboardError INVALID_REQUEST where the bytes are no such message or set both maps. */
export function decodeWriteToOnlineStore(message: Uint8Array): DecodedWrite {
  return decodeWrite(message, WRITE);
}

function decodeWrite(message: Uint8Array, schema: WriteMessage): DecodedWrite {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
  const features = new Map<string, string>();
  const typedFeatures = new Map<string, Uint8Array>();
  let name = '';
  let to = '';
  let allowRegistryCache = false;
  const end = bytes.length;
  for (let at = 0; at < end;) {
    const field = fieldAt(bytes, at, end, schema);
    at = field.end;
    if (field.wireType === WireType.VARINT && field.number === ALLOW_REGISTRY_CACHE) {
      allowRegistryCache =
        (varintLow32(bytes, field.start) | varintHigh32(bytes, field.start)) !== 0;
    }
    if (field.wireType !== WireType.BYTES) continue;
    switch (field.number) {
      case FEATURES: {
        const entry = entryAt(bytes, field, schema);
        features.set(entry.name, textOf(bytes, entry.start, entry.end, schema));
        checkColumnCount(features.size);
        break;
      }
      case NAME:
        name = textOf(bytes, field.start, field.end, schema);
        break;
      case schema.to:
        to = textOf(bytes, field.start, field.end, schema);
        break;
      case schema.typedFeatures: {
        const entry = entryAt(bytes, field, schema);
        if (!isValueMessage(bytes, entry.start, entry.end)) {
          throw malformed(schema);
        }
        typedFeatures.set(entry.name, bytes.subarray(entry.start, entry.end));
        checkColumnCount(typedFeatures.size);
        break;
      }
      default:
    }
  }
  if (features.size > 0 && typedFeatures.size > 0) {
    throw invalidFrame('Only one of features or typed_features may be set, not both');
  }
  const frame = singleRowFrame(typedFeatures.size > 0 ? typedFeatures : features);
  return { name, to, allowRegistryCache, frame };
}

interface Field {
  readonly number: number;
  readonly wireType: number;
  /** Of the payload, without its length. */
  readonly start: number;
  readonly end: number;
}

function fieldAt(bytes: Uint8Array, at: number, end: number, schema: WriteMessage): Field {
  const payload = skipTag(bytes, at, end);
  if (payload < 0) {
    throw malformed(schema);
  }
  const tag = varintLow32(bytes, at) >>> 0;
  const after = skipPayload(bytes, payload, end, tag, MAX_NESTING);
  if (after < 0) {
    throw malformed(schema);
  }
  const wireType = tag & 7;
  const start = wireType === WireType.BYTES ? skipLength(bytes, payload, end) : payload;
  return { number: tag >>> 3, wireType, start, end: after };
}

/** A map entry: its key, and where the payload of its value is; a value given in parts is the last part. */
function entryAt(
  bytes: Buffer,
  { start, end }: Field,
  schema: WriteMessage,
): { readonly name: string; readonly start: number; readonly end: number } {
  let name = '';
  let value = { start: end, end };
  for (let at = start; at < end;) {
    const field = fieldAt(bytes, at, end, schema);
    at = field.end;
    if (field.wireType === WireType.BYTES && field.number === 1) {
      name = textOf(bytes, field.start, field.end, schema);
    } else if (field.wireType === WireType.BYTES && field.number === 2) {
      value = { start: field.start, end: field.end };
    }
  }
  return { name, ...value };
}

function textOf(bytes: Buffer, start: number, end: number, schema: WriteMessage): string {
  const text = bytes.subarray(start, end);
  if (!isUtf8(text)) {
    throw malformed(schema);
  }
  return text.toString('utf8');
}

function malformed({ typeName }: WriteMessage): Error {
  return invalidFrame(`the request is not a valid ${typeName}`);
}
