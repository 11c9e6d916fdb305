import { Buffer } from 'node:buffer';
import { varintSize, writeVarint } from '../feast-encoding/varint.ts';
import type { ViewVersion } from './retrieval-plan.ts';

const FIELD_1_BYTES = 0x0a;
const FIELD_2_BYTES = 0x12;
const FIELD_2_VARINT = 0x10;

/**
 * Encodes field 1, `metadata`, of a `feast.serving.GetOnlineFeaturesResponse` with its tag and length: the feature names,
 * and the views' names and versions (zeros left out, as protobuf has it).
 */
export function encodeMetadataField(
  outputNames: readonly string[],
  viewVersions: readonly ViewVersion[],
): Uint8Array {
  const names = outputNames.map((name) => bytesField(FIELD_1_BYTES, Buffer.from(name, 'utf8')));
  const views = viewVersions.map(({ name, version }) =>
    bytesField(
      FIELD_2_BYTES,
      Buffer.concat([
        ...(name === '' ? [] : [bytesField(FIELD_1_BYTES, Buffer.from(name, 'utf8'))]),
        ...(version === 0 ? [] : [varintField(FIELD_2_VARINT, version)]),
      ]),
    ),
  );
  const featureList = bytesField(FIELD_1_BYTES, Buffer.concat(names));
  return bytesField(FIELD_1_BYTES, Buffer.concat([featureList, ...views]));
}

function bytesField(tag: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(1 + varintSize(payload.length) + payload.length);
  out[0] = tag;
  out.set(payload, writeVarint(out, 1, payload.length));
  return out;
}

function varintField(tag: number, value: number): Uint8Array {
  const out = new Uint8Array(1 + varintSize(value));
  out[0] = tag;
  writeVarint(out, 1, value);
  return out;
}
