import { Buffer } from 'node:buffer';
import { murmur3 } from './murmur3.ts';

/**
 * The field of a Redis hash that holds one feature: four bytes, the murmur3 hash (seed 0) of `view:feature` in UTF-8,
 * little-endian (Feast: `infra/online_stores/helpers.py`, `_mmh3`).
 *
 * @param storedViewName name that rows are kept under, with `_vN` for versions above 0.
 * @param featureName name in the view, not an alias.
 */
export function hashFeatureField(storedViewName: string, featureName: string): Uint8Array {
  const field = new Uint8Array(4);
  const hash = murmur3(Buffer.from(`${storedViewName}:${featureName}`, 'utf8'));
  field[0] = hash;
  field[1] = hash >>> 8;
  field[2] = hash >>> 16;
  field[3] = hash >>> 24;
  return field;
}

/**
 * The field of a Redis hash that holds the event timestamp of a view's row: the text `_ts:view` in UTF-8. Plans keep it, so it
 * is no part of a larger buffer.
 */
export function timestampField(storedViewName: string): Uint8Array {
  return new TextEncoder().encode(`_ts:${storedViewName}`);
}
