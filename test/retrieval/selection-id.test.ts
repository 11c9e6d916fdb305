import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeRequest } from '../../src/retrieval/decode-request.ts';
import type { Selection } from '../../src/retrieval/retrieval-request.ts';
import { DecodedSelectionId } from '../../src/retrieval/selection-id.ts';
import { encodeQuestion, LIMITS } from './ask.ts';

/** Few of each, so that many pairs are alike in all but one. */
const names = fc.array(fc.constantFrom('v:a', 'v:b', 'é', ''), { maxLength: 2 });
const selections: fc.Arbitrary<Selection> = fc.record({
  featureService: fc.constantFrom(undefined, '', 'service'),
  features: names,
  fullFeatureNames: fc.boolean(),
  includeVersionMetadata: fc.boolean(),
  entityColumnNames: names,
  contextColumnNames: names,
});

test('identities of decoded selections are equal where all of the selection is, and so are their texts', () => {
  const seen = { equal: 0, different: 0 };
  fc.assert(
    fc.property(selections, selections, (one, other) => {
      const isSame = JSON.stringify([one]) === JSON.stringify([other]);
      const id = new DecodedSelectionId(one);
      const kept = new DecodedSelectionId(other).keep();
      expect(id.equals(kept)).toBe(isSame);
      expect(id.toString() === kept.toString()).toBe(isSame);
      expect(id.equals(new DecodedSelectionId(structuredClone(one)).keep())).toBe(true);
      seen[isSame ? 'equal' : 'different']++;
    }),
    { numRuns: 3000 },
  );
  expect(seen.different).toBeGreaterThan(100);
});

test('a decoded selection is never taken for the bytes of a request', () => {
  const question = { features: ['v:a'], entities: { x: [] } };
  const request = decodeRequest(encodeQuestion(question), LIMITS);
  const decoded = new DecodedSelectionId(request.selection());
  expect(decoded.equals(request.selectionId.keep())).toBe(false);
  expect(request.selectionId.equals(decoded.keep())).toBe(false);
  expect(decoded.toString()).not.toBe(request.selectionId.toString());
});
