import { Buffer } from 'node:buffer';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { keyPartLength, writeKeyPart } from '../../src/redis/encode-command.ts';
import { findField, prepareHashFields } from '../../src/redis/hash-fields.ts';
import { sharedBuffers } from '../support/shared-buffers.ts';
import { readAll } from './feed.ts';

const bytes = fc.uint8Array({ maxLength: 20 });

test('prepared commands are whole with any key in their gap', () => {
  fc.assert(
    fc.property(
      fc.array(bytes, { minLength: 1, maxLength: 8 }),
      fc.uint8Array({ maxLength: 1_200 }),
      (fields, key) => {
        const prepared = prepareHashFields(fields);
        for (const [parts, words] of [
          [prepared.hmget, [Buffer.from('HMGET'), key, ...fields]],
          [prepared.hgetall, [Buffer.from('HGETALL'), key]],
        ] as const) {
          const out = Buffer.alloc(parts.head.length + keyPartLength(key) + parts.tail.length);
          parts.head.copy(out);
          const at = writeKeyPart(out, parts.head.length, key);
          parts.tail.copy(out, at);
          const { replies, end } = readAll(out);
          expect(end).toBe('complete');
          expect(replies).toEqual([words.map((word) => Buffer.from(word))]);
        }
      },
    ),
  );
});

test('a field is found by its bytes, and no other is', () => {
  fc.assert(
    fc.property(
      fc.array(bytes, { maxLength: 30 }),
      fc.array(bytes, { maxLength: 30 }),
      (fields, others) => {
        const { table } = prepareHashFields(fields);
        const hex = fields.map((field) => Buffer.from(field).toString('hex'));
        for (const field of [...fields, ...others]) {
          const padded = Buffer.concat([Buffer.of(1), field, Buffer.of(2)]);
          const cells: number[] = [];
          for (let c = findField(table, padded, 1, padded.length - 1); c >= 0; c = table.next[c]!) {
            cells.push(c);
          }
          const wanted = Buffer.from(field).toString('hex');
          const expected = hex.flatMap((other, i) => (other === wanted ? [i] : []));
          expect(cells.toSorted((a, b) => a - b)).toEqual(expected);
        }
      },
    ),
  );
});

test('what is prepared keeps no memory but its own', () => {
  const fields = [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(95, 116, 115)];
  expect(sharedBuffers(prepareHashFields(fields))).toEqual([]);
});
