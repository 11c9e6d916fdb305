import { createHash } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import { runInSlices, type Work } from './run-in-slices.ts';

/** An object of a registry: a field of `feast.core.Registry` and its serialized content. */
export interface EncodedObject {
  readonly field: number;
  readonly bytes: Uint8Array;
}

/** Bytes that are hashed at a time; half a millisecond or less. */
const HASHED_BYTES = 256 * 1024;
const VERSION_DIGITS = 16;

/**
 * Objects as one serialized `feast.core.Registry`, in their order, made beside requests however many they are. Its
 * `version_id` is a hash of them: equal objects and times give equal bytes.
 *
 * @param updatedMs when it was changed last, since the epoch; `undefined` = that is not known.
 */
export async function encodeRegistry(
  objects: readonly EncodedObject[],
  updatedMs?: number,
): Promise<Uint8Array> {
  return await runInSlices(encode(objects, updatedMs));
}

function* encode(
  objects: readonly EncodedObject[],
  updatedMs: number | undefined,
): Work<Uint8Array> {
  const encodeHeader = (versionId: string): Uint8Array =>
    toBinary(
      RegistrySchema,
      create(RegistrySchema, {
        registrySchemaVersion: '1',
        versionId,
        ...(updatedMs === undefined ? {} : { lastUpdated: timestampFromMs(updatedMs) }),
      }),
    );
  const headerLength = encodeHeader('0'.repeat(VERSION_DIGITS)).length;
  let length = headerLength;
  for (const { field, bytes } of objects) {
    length += encodePrefix(field, bytes.length).length + bytes.length;
    yield;
  }
  const registry = Buffer.allocUnsafe(length);
  let at = headerLength;
  for (const { field, bytes } of objects) {
    const prefix = encodePrefix(field, bytes.length);
    registry.set(prefix, at);
    registry.set(bytes, at + prefix.length);
    at += prefix.length + bytes.length;
    yield;
  }
  const hash = createHash('sha256');
  for (let from = headerLength; from < length; from += HASHED_BYTES) {
    hash.update(registry.subarray(from, from + HASHED_BYTES));
    yield;
  }
  registry.set(encodeHeader(hash.digest('hex').slice(0, VERSION_DIGITS)));
  return registry;
}

/** Tag and length. */
function encodePrefix(field: number, length: number): Uint8Array {
  return new BinaryWriter().tag(field, WireType.LengthDelimited).uint32(length).finish();
}
