import type { Buffer } from 'node:buffer';
import { invalidFrame } from '../ingestion/write-errors.ts';
import type { PlainValue } from '../ingestion/plain-value.ts';
import type { JsonTree } from '../ingestion/python-text.ts';
import type { FrameColumn, WriteFrame } from '../ingestion/write-frame.ts';
import { readJson } from './json-parser.ts';
import type { JsonFloat, JsonObject, JsonValue } from './json-parser.ts';

/** Single values in all their rows: as many as a message of 16 MiB can spell out. A few kilobytes of each could make any number. */
const MAX_REPEATED_VALUES = 8_000_000;

/**
 * The rows of a `df`: an object of arrays of one length, as pandas takes it. A scalar beside arrays stands for itself in
 * every row.
 *
 * @throws SideboardError INVALID_REQUEST for arrays of different lengths, without any array, or of very many single values
 */
export function frameFromJson(text: Buffer, at: number): WriteFrame {
  const df = readJson(text, at) as JsonObject;
  let rowCount: number | undefined;
  let singleCount = 0;
  for (const [name, values] of df) {
    if (!Array.isArray(values)) {
      singleCount += 1;
      continue;
    }
    if (rowCount !== undefined && rowCount !== values.length) {
      throw invalidFrame(
        `df: all columns have to be of one length; ${name} has ${values.length} values where others have ${rowCount}`,
      );
    }
    rowCount = values.length;
  }
  if (rowCount === undefined && df.size > 0) {
    throw invalidFrame('df: columns have to be arrays of values, one per row');
  }
  if (singleCount * (rowCount ?? 0) > MAX_REPEATED_VALUES) {
    throw invalidFrame(
      `df: ${singleCount} single values in each of ${rowCount} rows are more than ${MAX_REPEATED_VALUES} values; send fewer rows at once`,
    );
  }
  const columns = new Map<string, FrameColumn>();
  for (const [name, values] of df) {
    columns.set(name, { kind: 'plain', values: plainColumn(name, values, rowCount ?? 0) });
  }
  return { rowCount: rowCount ?? 0, columns };
}

function plainColumn(name: string, values: JsonValue, rowCount: number): readonly PlainValue[] {
  if (Array.isArray(values)) {
    return (values as readonly JsonValue[]).map(treeOf);
  }
  if (values instanceof Map) {
    throw invalidFrame(`df: column ${name} has to be an array of values, one per row`);
  }
  const value = treeOf(values);
  return Array.from({ length: rowCount }, () => value);
}

function treeOf(value: JsonValue): JsonTree {
  if (typeof value === 'number') return BigInt(value);
  if (value === null || typeof value !== 'object') return value;
  if (isArray(value)) return value.map(treeOf);
  if (value instanceof Map) {
    return { entries: [...(value as JsonObject)].map(([name, item]) => [name, treeOf(item)]) };
  }
  return (value as JsonFloat).float;
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
