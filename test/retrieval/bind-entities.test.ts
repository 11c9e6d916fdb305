import { expect, test } from 'vitest';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { writeValue } from '../../src/feast-encoding/value-writer.ts';
import { bindEntities } from '../../src/retrieval/bind-entities.ts';
import { packColumn } from '../../src/retrieval/request-from-columns.ts';
import type { EntityGroupPlan } from '../../src/retrieval/retrieval-plan.ts';

const PREFIX = Buffer.from('key of the join key');

const GROUP: EntityGroupPlan = {
  keyColumns: Int32Array.of(0),
  keyPrefix: PREFIX,
  fallbackKey: undefined,
  prepared: { keySuffix: Buffer.from('project'), width: 1 },
  views: [],
};

const column = (values: readonly string[]) =>
  packColumn({ name: 'id', values: values.map((value) => writeValue(ValueType.STRING, value)) });

/** FNV-1a from a state on: what the table of entities hashes with. */
function fnv(state: number, text: string): number {
  let hash = state;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** Two texts of six letters that lead from one state to the same other. */
function collision(state: number): { readonly texts: readonly [string, string]; after: number } {
  const seen = new Map<number, string>();
  for (let i = 0; ; i++) {
    const chance = Math.imul(i, 0x9e37_79b1);
    const letters = [0, 6, 12, 18, 24, 27].map((shift) => 0x40 + ((chance >>> shift) & 0x1f));
    const text = String.fromCharCode(...letters);
    const after = fnv(state, text);
    const other = seen.get(after);
    if (other !== undefined) return { texts: [other, text], after };
    seen.set(after, text);
  }
}

test('keys that were chosen to share one slot cost no more than others', () => {
  const blocks = 17;
  const length = Buffer.from([ValueType.STRING, 0, 0, 0, 6 * blocks, 0, 0, 0]).toString('latin1');
  let state = fnv(fnv(0x811c9dc5, PREFIX.toString('latin1')), length);
  let values = [''];
  for (let block = 0; block < blocks; block++) {
    const { texts, after } = collision(state);
    values = values.flatMap((value) => texts.map((text) => value + text));
    state = after;
  }
  const { keys, entityOfRow } = bindEntities(GROUP, [column(values)], values.length);
  expect(keys.length).toBe(2 ** blocks);
  expect(entityOfRow.every((entity, row) => entity === row)).toBe(true);
});

test('equal keys are one entity', () => {
  const values = Array.from({ length: 20_000 }, (_, row) => `user ${(row * 7919) % 5_000}`);
  const { keys, entityOfRow } = bindEntities(GROUP, [column(values)], values.length);
  expect(keys.length).toBe(5_000);
  for (const [row, entity] of entityOfRow.entries()) {
    expect(Buffer.from(keys[entity]!).includes(Buffer.from(values[row]!))).toBe(true);
  }
});
