import { MessageWriter } from './message-writer.ts';

/** Features of the views that `bench/python/write_repo.py` defines, in the order of the columns of a row. */
export const WRITTEN_FEATURES = Array.from({ length: 10 }, (_, i) => `feature_${i}`);
export const WRITTEN_ENTITY = 'entity';
const EVENT_TIMESTAMP = 'event_timestamp';

/** Rows are numbered through a run; the next row of an entity comes this much later and is newer. */
export const WRITTEN_ENTITIES = 10_000;
/** 2025-02-01: after everything that is materialized. */
const FIRST_EVENT_SECONDS = 1_738_368_000;

/** Fields of `feast.types.Value`. */
const STRING_VAL = 2;
const INT64_VAL = 4;
const DOUBLE_VAL = 5;
const UNIX_TIMESTAMP_VAL = 8;

/** What a feature of row `n` holds; `column` of `bench/python/write_repo.py` makes the same. */
export function writtenValue(n: number, feature: number): number | string {
  const number = (n * 7919 + feature * 104_729) % 1_000_003;
  if (feature % 3 === 0) return number;
  return feature % 3 === 1 ? number / 8 : `value ${number}`;
}

/** The entity that row `n` is about. */
export function entityOf(n: number): number {
  return n % WRITTEN_ENTITIES;
}

function eventSeconds(n: number): number {
  return FIRST_EVENT_SECONDS + Math.floor(n / WRITTEN_ENTITIES);
}

/** Body of `POST /push` with the rows `first` to `first + count - 1`. */
export function pushBody(first: number, count: number): string {
  const numbers = Array.from({ length: count }, (_, i) => first + i);
  const df: Record<string, unknown[]> = {
    [WRITTEN_ENTITY]: numbers.map(entityOf),
    [EVENT_TIMESTAMP]: numbers.map((n) => new Date(1000 * eventSeconds(n)).toISOString()),
  };
  for (const [feature, name] of WRITTEN_FEATURES.entries()) {
    df[name] = numbers.map((n) => writtenValue(n, feature));
  }
  return JSON.stringify({ push_source_name: 'events', df, to: 'online' });
}

/** `PushRequest` of row `n`, with `typed_features`. */
export function encodePush(n: number): Buffer {
  const value = new MessageWriter(64);
  const entry = new MessageWriter(128);
  const message = new MessageWriter(1024);
  const add = (name: string, write: () => void): void => {
    value.clear();
    write();
    entry.clear();
    entry.string(1, name);
    entry.bytes(2, value.written());
    message.bytes(5, entry.written());
  };
  add(WRITTEN_ENTITY, () => value.integer(INT64_VAL, entityOf(n)));
  add(EVENT_TIMESTAMP, () => value.integer(UNIX_TIMESTAMP_VAL, eventSeconds(n)));
  for (const [feature, name] of WRITTEN_FEATURES.entries()) {
    add(name, () => writeFeature(value, n, feature));
  }
  message.string(2, 'events');
  message.string(4, 'online');
  return message.written();
}

/** `sideboard.v1.WriteRequest` that names the push source and the columns of `encodeRows`. */
export function encodeTarget(): Buffer {
  const target = new MessageWriter(1024);
  target.string(1, 'events');
  for (const name of [WRITTEN_ENTITY, EVENT_TIMESTAMP, ...WRITTEN_FEATURES]) target.string(3, name);
  const request = new MessageWriter(1024);
  request.bytes(1, target.written());
  return request.written();
}

/** `sideboard.v1.WriteRequest` with the rows `first` to `first + count - 1`. */
export function encodeRows(id: number, first: number, count: number): Buffer {
  const value = new MessageWriter(64);
  const column = new MessageWriter(32 * count);
  const rows = new MessageWriter(256 * count);
  rows.integer(1, id);
  const add = (write: (n: number) => void): void => {
    column.clear();
    for (let n = first; n < first + count; n += 1) {
      value.clear();
      write(n);
      column.bytes(1, value.written());
    }
    rows.bytes(2, column.written());
  };
  add((n) => value.integer(INT64_VAL, entityOf(n)));
  add((n) => value.integer(UNIX_TIMESTAMP_VAL, eventSeconds(n)));
  for (const feature of WRITTEN_FEATURES.keys()) add((n) => writeFeature(value, n, feature));
  const request = new MessageWriter(256 * count + 16);
  request.bytes(2, rows.written());
  return request.written();
}

function writeFeature(value: MessageWriter, n: number, feature: number): void {
  const written = writtenValue(n, feature);
  if (typeof written === 'string') value.string(STRING_VAL, written);
  else if (feature % 3 === 1) value.double(DOUBLE_VAL, written);
  else value.integer(INT64_VAL, written);
}
