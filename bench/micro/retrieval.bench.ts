import { test } from 'vitest';
import { assembleResponse } from '../../src/retrieval/assemble-response.ts';
import { bindEntities } from '../../src/retrieval/bind-entities.ts';
import { checkStoredRows } from '../../src/retrieval/check-stored-rows.ts';
import { decodeRequest } from '../../src/retrieval/decode-request.ts';
import type { ReadFeaturesOptions } from '../../src/retrieval/feature-reader.ts';
import { settleRows, SettlingRoom } from '../../src/retrieval/row-status.ts';
import { createScenario, LIMITS, SCENARIOS } from './retrieval-scenario.ts';

const OPTIONS: ReadFeaturesOptions = {
  enforceTtl: true,
  nowSeconds: 1_750_000_100,
  deadlineAtMs: Infinity,
};

const RULES = {
  semantics: { nullStatus: 'present', missingEntity: 'not_found' },
  enforceTtl: true,
  nowSeconds: OPTIONS.nowSeconds,
} as const;

/** The stages of the read path, each alone and then all together, without a store. */
test.for(SCENARIOS)('$rowCount × $featureCount', async (scenario, { bench }) => {
  const { reader, message } = createScenario(scenario);
  const request = decodeRequest(message, LIMITS);
  const retrieved = await reader.read(request, OPTIONS, (all) => all);
  const room = new SettlingRoom();
  const { plan, rowCount, groups, entityColumns } = retrieved;
  const group = plan.groups[0]!;
  const { keys } = bindEntities(group, request.columns, rowCount);
  await bench.compare(
    bench('decode', () => {
      decodeRequest(message, LIMITS);
    }),
    bench('bind', () => {
      bindEntities(group, request.columns, rowCount);
    }),
    bench('check', () => {
      checkStoredRows(group, keys, groups[0]!.cells);
    }),
    bench('settle', () => {
      settleRows(plan, entityColumns, groups, rowCount, RULES, room);
    }),
    bench('assemble', () => {
      assembleResponse(retrieved, 5);
    }),
    bench('whole', async () => {
      await reader.read(decodeRequest(message, LIMITS), OPTIONS, (all) => assembleResponse(all, 5));
    }),
  );
});
