import { Buffer } from 'node:buffer';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { prepareHashFields } from '../../src/redis/hash-fields.ts';
import {
  ABSENT,
  readFieldsReply,
  readPairsReply,
  ReplyProgress,
  type HashCells,
} from '../../src/redis/read-hash-reply.ts';
import { ReplyReader } from '../../src/redis/reply-reader.ts';
import { allCuts, comparable, feed, readAll } from './feed.ts';
import { damaged, fuzzRuns, randomCuts } from './random-reply.ts';

type Value = Uint8Array | null;

const bulk = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]);
const NULLS = ['$-1\r\n', '_\r\n'].map((text) => Buffer.from(text));

function fieldsReply(values: readonly Value[], protocol: 2 | 3): Buffer {
  const elements = values.map((value) => (value === null ? NULLS[protocol - 2]! : bulk(value)));
  return Buffer.concat([Buffer.from(`*${values.length}\r\n`), ...elements]);
}

function pairsReply(
  pairs: readonly (readonly [Uint8Array, Uint8Array])[],
  protocol: 2 | 3,
): Buffer {
  const header = protocol === 2 ? `*${2 * pairs.length}\r\n` : `%${pairs.length}\r\n`;
  return Buffer.concat([Buffer.from(header), ...pairs.flat().map(bulk)]);
}

const name = (text: string): Buffer => Buffer.from(text, 'latin1');
const value = fc.uint8Array({ maxLength: 30 });
const field = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.string({ maxLength: 12 }).map((text) => Buffer.from(`_ts:${text}`)),
  fc.constantFrom('', '\r\n', 'abcd', 'abce').map(name),
);
const protocol = fc.constantFrom(2 as const, 3 as const);
const seeds = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });

type Read = (reader: ReplyReader, cells: HashCells) => number;

/** Reads one reply as a connection does, piece by piece; `undefined` where it is no such reply or not whole. */
function cellsOf(
  bytes: Uint8Array,
  cuts: readonly number[],
  width: number,
  read: Read,
): Value[] | undefined {
  const reader = new ReplyReader();
  const cells: HashCells = {
    buffers: [],
    starts: new Int32Array(width).fill(12_345),
    ends: new Int32Array(width),
  };
  let progress: number = ReplyProgress.INCOMPLETE;
  feed(reader, bytes, cuts, () => {
    if (progress === ReplyProgress.INCOMPLETE) progress = read(reader, cells);
  });
  if (progress !== ReplyProgress.COMPLETE) return undefined;
  expect(reader.at).toBeLessThanOrEqual(reader.end);
  return Array.from(cells.starts, (start, i) =>
    start === ABSENT ? null : Buffer.from(reader.bytes.subarray(start, cells.ends[i])),
  );
}

const plain = (values: readonly Value[] | undefined): unknown =>
  values?.map((bytes) => (bytes === null ? null : Buffer.from(bytes).toString('latin1')));

describe('the reply to HMGET', () => {
  const readFields =
    (width: number): Read =>
    (reader, cells) =>
      readFieldsReply(reader, width, cells, 0);

  test('gives the value of every field, cut anywhere', () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(value), { maxLength: 20 }),
        protocol,
        seeds,
        (values, resp, at) => {
          const bytes = fieldsReply(values, resp);
          const cells = cellsOf(
            bytes,
            randomCuts(bytes.length, at),
            values.length,
            readFields(values.length),
          );
          expect(plain(cells)).toEqual(plain(values));
        },
      ),
      fuzzRuns(500),
    );
  });

  test('is read the same cut at every byte', () => {
    const values = [name('a'), null, name(''), name('$-1\r\n'), Buffer.alloc(130, 'x'), null];
    for (const resp of [2, 3] as const) {
      const bytes = fieldsReply(values, resp);
      for (const cuts of allCuts(bytes.length)) {
        expect(plain(cellsOf(bytes, cuts, values.length, readFields(values.length)))).toEqual(
          plain(values),
        );
      }
    }
  });

  test('never gives a value of a damaged reply that the general reader does not', () => {
    const values = fc.array(fc.option(value), { minLength: 1, maxLength: 6 });
    const replies = fc.tuple(values, protocol).map(([list, resp]) => fieldsReply(list, resp));
    fc.assert(
      fc.property(damaged(replies), fc.integer({ min: 1, max: 6 }), seeds, (bytes, width, at) => {
        const cells = cellsOf(bytes, randomCuts(bytes.length, at), width, readFields(width));
        if (cells !== undefined) {
          expect(plain(cells)).toEqual(comparable(readAll(bytes).replies[0]!));
        }
      }),
      fuzzRuns(1_000),
    );
  });

  test.each([
    ['another number of values', '*1\r\n$1\r\na\r\n'],
    ['a number', ':2\r\n'],
    ['a map', '%1\r\n$1\r\na\r\n$1\r\nb\r\n'],
    ['an array with a number in it', '*2\r\n$1\r\na\r\n:1\r\n'],
    ['an array with an array in it', '*2\r\n*0\r\n$1\r\na\r\n'],
    ['a null', '$-1\r\n'],
  ])('is not %s, however that is cut', (_, text) => {
    const bytes = name(text);
    for (const cuts of allCuts(bytes.length)) {
      expect(cellsOf(bytes, cuts, 2, readFields(2))).toBeUndefined();
    }
  });
});

describe('the reply to HGETALL', () => {
  const uniqueFields = fc.uniqueArray(field, {
    maxLength: 20,
    selector: (bytes) => Buffer.from(bytes).toString('latin1'),
  });

  test('gives the value of every wanted field wherever it stands, cut anywhere', () => {
    fc.assert(
      fc.property(
        uniqueFields,
        fc.array(field, { maxLength: 10 }),
        fc.infiniteStream(value),
        protocol,
        seeds,
        (stored, others, stream, resp, at) => {
          const pairs = stored.map((bytes) => [bytes, stream.next().value as Uint8Array] as const);
          // Some are stored, some are not, some are wanted twice.
          const wanted = [
            ...others,
            ...stored.filter((_, i) => i % 2 === 0),
            ...others.slice(0, 2),
          ];
          const fields = prepareHashFields(wanted);
          const bytes = pairsReply(pairs, resp);
          const cells = cellsOf(bytes, randomCuts(bytes.length, at), wanted.length, (reader, out) =>
            readPairsReply(reader, fields, out, 0),
          );
          const byName = new Map(
            pairs.map(([key, stuff]) => [Buffer.from(key).toString('hex'), stuff]),
          );
          const expected = wanted.map(
            (key) => byName.get(Buffer.from(key).toString('hex')) ?? null,
          );
          expect(plain(cells)).toEqual(plain(expected));
        },
      ),
      fuzzRuns(500),
    );
  });

  test('is read the same cut at every byte', () => {
    const stored = [name('aaaa'), name('bbbb'), name('_ts:v'), name('')] as const;
    const pairs = stored.map((key, i) => [key, Buffer.alloc(i * 40, 'v')] as const);
    const fields = prepareHashFields([name('_ts:v'), name('none'), name('bbbb'), name('bbbb')]);
    for (const resp of [2, 3] as const) {
      const bytes = pairsReply(pairs, resp);
      for (const cuts of allCuts(bytes.length)) {
        const cells = cellsOf(bytes, cuts, 4, (reader, out) =>
          readPairsReply(reader, fields, out, 0),
        );
        expect(plain(cells)).toEqual(plain([pairs[2]![1], null, pairs[1]![1], pairs[1]![1]]));
      }
    }
  });

  test('never gives a value of a damaged reply that the general reader does not', () => {
    const fields = prepareHashFields(['abcd', 'abce', '', '\r\n'].map(name));
    const pairs = fc.array(fc.tuple(field, value), { minLength: 1, maxLength: 6 });
    const replies = fc.tuple(pairs, protocol).map(([list, resp]) => pairsReply(list, resp));
    fc.assert(
      fc.property(damaged(replies), seeds, (bytes, at) => {
        const cells = cellsOf(bytes, randomCuts(bytes.length, at), 4, (reader, out) =>
          readPairsReply(reader, fields, out, 0),
        );
        if (cells !== undefined) {
          const flat = comparable(readAll(bytes).replies[0]!) as string[];
          const byName = new Map(
            flat.flatMap((key, i) => (i % 2 === 0 ? [[key, flat[i + 1]!]] : [])),
          );
          const expected = fields.fields.map(
            (key) => byName.get(Buffer.from(key).toString('latin1')) ?? null,
          );
          expect(plain(cells)).toEqual(expected);
        }
      }),
      fuzzRuns(1_000),
    );
  });
});
