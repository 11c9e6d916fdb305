import { expect, test } from 'vitest';
import { LOST } from '../../src/online-store/online-store.ts';
import type { RetrievalPlan } from '../../src/retrieval/retrieval-plan.ts';
import { settleRows, SettlingRoom } from '../../src/retrieval/row-status.ts';

test('a million lost entities are counted in one pass', () => {
  const rowCount = 1_000_000;
  const plan = Object.assign({} as RetrievalPlan, {
    outputNames: ['trips'],
    groupOfColumn: Int32Array.of(0),
    viewOfColumn: Int32Array.of(0),
    cellOfColumn: Int32Array.of(0),
    groups: [{ views: [{ timestampCell: 1, ttlSeconds: 0 }] }],
  });
  const rows = {
    cells: {
      buffers: [],
      starts: new Int32Array(2 * rowCount).fill(LOST),
      ends: new Int32Array(2 * rowCount),
    },
    width: 2,
    entityCount: rowCount,
    entityOfRow: Int32Array.from({ length: rowCount }, (_, row) => row),
  };
  const semantics = { nullStatus: 'present', missingEntity: 'not_found' } as const;
  const rules = { semantics, enforceTtl: false, nowSeconds: 0 };
  const { lostCount } = settleRows(plan, [], [rows], rowCount, rules, new SettlingRoom());
  expect(lostCount).toBe(rowCount);
});
