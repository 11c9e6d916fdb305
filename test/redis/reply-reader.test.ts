import { Buffer } from 'node:buffer';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { Decoder, RESP_TYPES } from 'ioredis/built/resp/decoder.js';
import { describe, expect, test } from 'vitest';
import { allCuts, comparable, readAll } from './feed.ts';
import { damaged, fuzzRuns, randomCuts, randomReply } from './random-reply.ts';

const CORPUS = join(import.meta.dirname, 'corpus');
const corpus = readdirSync(CORPUS).map((name) => [name, readFileSync(join(CORPUS, name))] as const);

/** What ioredis makes of replies, in the shape of `comparable`. */
function byIoredis(bytes: Uint8Array): unknown[] {
  const replies: unknown[] = [];
  const mapping = {
    [RESP_TYPES.SIMPLE_STRING]: Buffer,
    [RESP_TYPES.BLOB_STRING]: Buffer,
    [RESP_TYPES.VERBATIM_STRING]: Buffer,
    [RESP_TYPES.BIG_NUMBER]: String,
    [RESP_TYPES.NUMBER]: String,
    [RESP_TYPES.MAP]: Array,
    [RESP_TYPES.SET]: Array,
  };
  const take = (reply: unknown): void => void replies.push(flattened(reply));
  const decoder = new Decoder({
    getTypeMapping: () => mapping,
    onReply: take,
    onErrorReply: take,
    onPush: take,
  });
  decoder.write(Buffer.from(bytes));
  return replies;
}

function flattened(reply: unknown): unknown {
  if (reply instanceof Error) return { error: reply.message };
  if (Buffer.isBuffer(reply)) return reply.toString('latin1');
  return Array.isArray(reply) ? reply.map(flattened) : reply;
}

/** Ours with numbers as text and statuses as bytes, as `byIoredis` has them. */
function asIoredis(reply: unknown): unknown {
  if (typeof reply === 'bigint' || Number.isInteger(reply)) return String(reply);
  if (typeof reply === 'string') return Buffer.from(reply, 'utf8').toString('latin1');
  return Array.isArray(reply) ? reply.map(asIoredis) : reply;
}

describe('replies', () => {
  test('are read as ioredis reads them, cut anywhere', () => {
    fc.assert(
      fc.property(
        fc.array(randomReply(), { minLength: 1, maxLength: 4 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }),
        (wires, seeds) => {
          const bytes = Buffer.concat(wires);
          const { replies, end } = readAll(bytes, randomCuts(bytes.length, seeds));
          expect(end).toBe('complete');
          expect(replies).toHaveLength(wires.length);
          const whole = byIoredis(bytes);
          expect(replies.map(comparable).map((reply) => normal(reply))).toEqual(whole.map(normal));
        },
      ),
      fuzzRuns(400),
    );
  });

  test('damaged ones are refused or read, whatever the cuts, without another error', () => {
    fc.assert(
      fc.property(
        damaged(
          fc.array(randomReply(), { minLength: 1, maxLength: 3 }).map((w) => Buffer.concat(w)),
        ),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 }),
        (bytes, seeds) => {
          const whole = outcomeOf(bytes, []);
          expect(outcomeOf(bytes, randomCuts(bytes.length, seeds))).toEqual(whole);
        },
      ),
      fuzzRuns(1_000),
    );
  });

  test('arbitrary bytes are refused or read, whatever the cuts, without another error', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 60 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 }),
        (bytes, seeds) => {
          expect(outcomeOf(bytes, randomCuts(bytes.length, seeds))).toEqual(outcomeOf(bytes, []));
        },
      ),
      fuzzRuns(500),
    );
  });

  test.each(corpus)('of the corpus: %s, cut at every byte', (name, bytes) => {
    const whole = outcomeOf(bytes, []);
    expect(whole.end).toBe(/^(complete|incomplete|refused)/.exec(name)?.[1]);
    for (const cuts of allCuts(bytes.length)) expect(outcomeOf(bytes, cuts)).toEqual(whole);
  });
});

function outcomeOf(bytes: Uint8Array, cuts: readonly number[]) {
  const { replies, end } = readAll(bytes, cuts);
  return { replies: replies.map(comparable), end };
}

/** Differences that are no matter: text or bytes, number or text. */
function normal(reply: unknown): unknown {
  const bare = asIoredis(reply);
  return Array.isArray(bare) ? bare.map(normal) : bare;
}

describe('limits of a reply', () => {
  const limits = { maxDepth: 3, maxElements: 10, maxBulkBytes: 100 };
  test.each([
    ['as deep as allowed', '*1\r\n*1\r\n*1\r\n:1\r\n', 'complete'],
    ['deeper', '*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n', 'refused'],
    ['deep by attributes', '|1\r\n+a\r\n|1\r\n+a\r\n|1\r\n+a\r\n|1\r\n', 'refused'],
    ['as many elements as allowed', `*10\r\n${':1\r\n'.repeat(10)}`, 'complete'],
    ['more elements', '*11\r\n', 'refused'],
    ['more pairs than elements allow', '%6\r\n', 'refused'],
    ['a string as long as allowed', `$100\r\n${'x'.repeat(100)}\r\n`, 'complete'],
    ['a longer string, refused before it has arrived', '$101\r\n', 'refused'],
    ['a length of many digits', '$99999999999999999999\r\n', 'refused'],
    ['a line without end', `+${'x'.repeat(70_000)}`, 'refused'],
  ] as const)('%s', (_, text, end) => {
    expect(readAll(Buffer.from(text), [], limits).end).toBe(end);
  });

  test('a reply larger than a slab arrives whole, wherever it is cut', () => {
    const payload = Buffer.alloc(700_000, 'abc');
    const bytes = Buffer.concat([
      Buffer.from(':1\r\n*2\r\n$700000\r\n'),
      payload,
      Buffer.from('\r\n:2\r\n:3\r\n'),
    ]);
    const cuts = Array.from({ length: 80 }, (_, i) => 7_001 * (i + 1));
    const { replies, end } = readAll(bytes, cuts);
    expect(end).toBe('complete');
    expect(replies[0]).toBe(1);
    expect(replies[1]).toEqual([payload, 2]);
    expect(replies[2]).toBe(3);
  });
});
