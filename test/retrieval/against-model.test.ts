import { create, toBinary } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { GetOnlineFeaturesResponseSchema } from '../../gen/feast/serving/ServingService_pb.ts';
import { answerBytes, errorOf, fixtureOf } from './ask.ts';
import { answerByModel } from './model.ts';
import { anyCase, storeOf } from './random-world.ts';

test('answers what the model answers, byte for byte, or refuses for one of its reasons', async () => {
  const seen = { answers: 0, refusals: 0 };
  await fc.assert(
    fc.asyncProperty(anyCase, async ({ world, messages }) => {
      const { semantics, snapshot, enforceTtl } = world;
      const { reader } = fixtureOf(snapshot, { semantics, store: storeOf(world) });
      for (const message of messages) {
        const expected = answerByModel(world, message);
        // Twice: compiled, then from the cache.
        for (let time = 0; time < 2; time++) {
          const answer = answerBytes(reader, message, { enforceTtl });
          if ('errors' in expected) {
            const { code } = await errorOf(() => answer);
            expect([...expected.errors]).toContain(code);
            seen.refusals++;
          } else {
            const bytes = toBinary(
              GetOnlineFeaturesResponseSchema,
              create(GetOnlineFeaturesResponseSchema, expected.response),
            );
            expect(hex(await answer)).toBe(hex(bytes));
            seen.answers++;
          }
        }
      }
    }),
    { numRuns: 1500 },
  );
  // The generator must not drift into worlds where nothing is ever answered.
  expect(seen.answers).toBeGreaterThan(seen.refusals / 2);
  expect(seen.refusals).toBeGreaterThan(100);
}, 60_000);

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
