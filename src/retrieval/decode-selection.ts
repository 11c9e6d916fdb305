import type { Buffer } from 'node:buffer';
import { varintHigh32, varintLow32 } from '../feast-encoding/varint.ts';
import { MAX_NESTING, skipLength, skipPayload, skipTag } from '../feast-encoding/wire.ts';
import { readTag, readText } from './read-wire.ts';
import { invalidRequest } from './retrieval-errors.ts';
import type { EntityColumn, Selection } from './retrieval-request.ts';

/** Tags of `GetOnlineFeaturesRequest` that make the selection, and of `FeatureList.val`. */
const FEATURE_SERVICE_TAG = 0x0a;
const FEATURES_TAG = 0x12;
const FULL_FEATURE_NAMES_TAG = 0x20;
const INCLUDE_VERSIONS_TAG = 0x30;
const VAL_TAG = 0x0a;

/** Whether a field of a `GetOnlineFeaturesRequest` that has this tag is part of what `decodeSelection` reads. */
export function isOfSelection(tag: number): boolean {
  return (
    tag === FEATURES_TAG ||
    tag === FEATURE_SERVICE_TAG ||
    tag === FULL_FEATURE_NAMES_TAG ||
    tag === INCLUDE_VERSIONS_TAG
  );
}

/**
 * Decodes the selection of an encoded `feast.serving.GetOnlineFeaturesRequest` whose outer fields `decodeRequest` has
 * found to be whole.
 *
 * @throws SideboardError INVALID_REQUEST for a malformed list of features and for text that is not UTF-8
 */
export function decodeSelection(
  bytes: Buffer,
  columns: readonly EntityColumn[],
  contextColumns: readonly EntityColumn[],
): Selection {
  let featureService: string | undefined;
  let features: string[] = [];
  let fullFeatureNames = false;
  let includeVersionMetadata = false;
  let at = 0;
  while (at < bytes.length) {
    const payload = skipTag(bytes, at, bytes.length);
    const tag = readTag(bytes, at);
    const after = skipPayload(bytes, payload, bytes.length, tag, MAX_NESTING);
    switch (tag) {
      // `feature_service` and `features` are one oneof: the last one counts, but lists of features add up.
      case FEATURE_SERVICE_TAG:
        featureService = readText(bytes, skipLength(bytes, payload, after), after);
        features = [];
        break;
      case FEATURES_TAG:
        featureService = undefined;
        appendFeatures(bytes, skipLength(bytes, payload, after), after, features);
        break;
      case FULL_FEATURE_NAMES_TAG:
        fullFeatureNames = isTrue(bytes, payload);
        break;
      case INCLUDE_VERSIONS_TAG:
        includeVersionMetadata = isTrue(bytes, payload);
        break;
      default:
    }
    at = after;
  }
  return Object.freeze({
    featureService,
    features,
    fullFeatureNames,
    entityColumnNames: columns.map(({ name }) => name),
    contextColumnNames: contextColumns.map(({ name }) => name),
    includeVersionMetadata,
  });
}

/** Appends the texts of the `FeatureList` at `[start, end)`. */
function appendFeatures(bytes: Buffer, start: number, end: number, features: string[]): void {
  let at = start;
  while (at < end) {
    const payload = skipTag(bytes, at, end);
    const tag = payload < 0 ? 0 : readTag(bytes, at);
    const after = payload < 0 ? -1 : skipPayload(bytes, payload, end, tag, MAX_NESTING - 1);
    if (after < 0) throw invalidRequest(`malformed feast.serving.FeatureList at byte ${at}`);
    if (tag === VAL_TAG) features.push(readText(bytes, skipLength(bytes, payload, after), after));
    at = after;
  }
}

/** The bool of the (whole) varint at `at`: any bit makes it true. */
function isTrue(bytes: Uint8Array, at: number): boolean {
  return (varintLow32(bytes, at) | varintHigh32(bytes, at)) !== 0;
}
