import { Buffer } from 'node:buffer';
import type { RowSlab } from '../feast-encoding/row-slab.ts';
import { MAX_TIMESTAMP_BYTES, writeTimestamp } from '../feast-encoding/timestamp.ts';
import {
  copyBytes,
  encodeCommand,
  maxWordBytes,
  writeJoinedWord,
  writeWordEnd,
  writeWordHead,
} from '../redis/encode-command.ts';
import { DumpedHash, dumpBytes, encodeDumpedWord } from '../redis/hash-dump.ts';
import type { WriteTarget } from './redis-row-arguments.ts';

/** The event timestamp is put together here. */
const timestamp = new Uint8Array(MAX_TIMESTAMP_BYTES);

/**
 * `RESTORE` of a hash per row, for rows that have all values, none longer than `MAX_DUMPED_WORD_BYTES`.
 *
 * @param room to write into where it is large enough.
 */
export function encodeCreate(
  { project, timestampField, featureFields, ttl }: WriteTarget,
  slab: RowSlab,
  rows: readonly number[],
  room: Buffer | undefined,
): Buffer {
  // *4 $7 RESTORE, its key, the milliseconds that it lives and the hash, of which there is nothing here.
  const ttlMs = ttl === '' ? '0' : String(Number(ttl) * 1000);
  const whole = encodeCommand(['RESTORE', '', ttlMs, '']);
  const head = whole.subarray(0, whole.indexOf('$0'));
  const afterKey = encodeCommand([ttlMs]).subarray(encodeCommand([]).length);
  const timeEntry = encodeDumpedWord(timestampField);
  const entries = featureFields.map(encodeDumpedWord);
  const words = 2 * (entries.length + 1);
  const fieldBytes = featureFields.reduce((sum, { length }) => sum + length, timestampField.length);
  const around = head.length + afterKey.length + project.length + 2 * maxWordBytes(0);
  const size = around + dumpBytes(words, fieldBytes + MAX_TIMESTAMP_BYTES);
  let needed = rows.length * size;
  for (const row of rows) needed += slab.keyBytes(row) + slab.valueBytes(row);
  const out = room !== undefined && room.length >= needed ? room : Buffer.allocUnsafeSlow(needed);
  const { starts, ends, width } = slab;
  const { bytes } = slab.out;
  let at = 0;
  for (const row of rows) {
    const keyAt = row * (width + 1);
    at = copyBytes(out, at, head, 0, head.length);
    at = writeJoinedWord(out, at, bytes, starts[keyAt]!, ends[keyAt]!, project);
    at = copyBytes(out, at, afterKey, 0, afterKey.length);
    const moment = writeTimestamp(timestamp, 0, slab.eventSeconds[row]!, slab.eventNanos[row]!);
    at = writeWordHead(out, at, dumpBytes(words, fieldBytes + moment + slab.valueBytes(row)));
    const hash = new DumpedHash(out, at);
    hash.addEncoded(timeEntry);
    hash.add(timestamp, 0, moment);
    for (let i = 0; i < entries.length; i++) {
      hash.addEncoded(entries[i]!);
      hash.add(bytes, starts[keyAt + 1 + i]!, ends[keyAt + 1 + i]!);
    }
    at = writeWordEnd(out, hash.finish());
  }
  return out.subarray(0, at);
}
