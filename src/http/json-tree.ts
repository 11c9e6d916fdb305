import type { Buffer } from 'node:buffer';
import type { JsonTree } from '../ingestion/python-text.ts';
import { readJson, type JsonFloat, type JsonObject, type JsonValue } from './json-parser.ts';

/** The value that begins at `at` of a checked text, as writes take it. */
export function readTree(text: Buffer, at: number): JsonTree {
  return treeOf(readJson(text, at));
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
