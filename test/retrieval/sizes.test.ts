import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { GetOnlineFeaturesResponseSchema } from '../../gen/feast/serving/ServingService_pb.ts';
import { encodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import {
  answerBytes,
  ask,
  encoded,
  encodeQuestion,
  fixtureOf,
  put,
  type ValueInit,
} from './ask.ts';
import { snapshotOf } from './registry-fixture.ts';

const { INT64 } = ValueType;

/** A view with this many features `f0`, `f1`, … */
function wideFixture(featureCount: number) {
  const names = Array.from({ length: featureCount }, (_, index) => `f${index}`);
  const fixture = fixtureOf(
    snapshotOf({
      entities: { item: ['item_id', INT64] },
      views: [
        {
          name: 'wide',
          entities: ['item'],
          features: Object.fromEntries(names.map((name) => [name, INT64])),
        },
      ],
    }),
  );
  return { fixture, names };
}

const itemKey = (id: number) => ({ item_id: { type: INT64, value: id } });
const VALUES = Array.from({ length: 97 }, (_, n) => encoded(['int64Val', BigInt(n)]));
const secondsAfterEpoch = (seconds: number) => encodeTimestamp(BigInt(seconds) * 1_000_000_000n);
const ids = (count: number) =>
  Array.from({ length: count }, (_, id): ValueInit => ['int64Val', BigInt(id)]);

describe('large requests', { timeout: 60_000 }, () => {
  test.each([
    [1, 2000],
    [5000, 100],
    [1000, 3],
  ])('%i rows × %i features', async (rowCount, featureCount) => {
    const { fixture, names } = wideFixture(featureCount);
    for (let id = 0; id < rowCount; id++) {
      // A few values only: encoding half a million of them would be most of the test.
      const values = names.map((name, index) => [name, VALUES[(id + index) % VALUES.length]!]);
      const features = Object.fromEntries(values) as Record<string, Uint8Array>;
      put(fixture.store, itemKey(id), 'wide', secondsAfterEpoch(id), features);
    }
    const message = encodeQuestion({
      features: names.map((name) => `wide:${name}`),
      entities: { item_id: ids(rowCount) },
    });
    const bytes = await answerBytes(fixture.reader, message);
    const response = fromBinary(GetOnlineFeaturesResponseSchema, bytes);
    expect(Buffer.compare(bytes, toBinary(GetOnlineFeaturesResponseSchema, response))).toBe(0);
    expect(response.results).toHaveLength(featureCount + 1);
    const last = response.results.at(-1)!;
    expect(last.values.at(-1)!.val.value).toBe(
      BigInt((rowCount + featureCount - 2) % VALUES.length),
    );
    expect(last.eventTimestamps.at(-1)!.seconds).toBe(BigInt(rowCount - 1));
  });

  test.each([127, 128, 129, 16_383, 16_384, 2_097_152])('a value of %i bytes', async (length) => {
    const { fixture, names } = wideFixture(1);
    const text = 'v'.repeat(length);
    put(fixture.store, itemKey(0), 'wide', encodeTimestamp(1n), {
      f0: encoded(['stringVal', text]),
    });
    const response = await ask(fixture, {
      features: names.map((name) => `wide:${name}`),
      entities: { item_id: ids(2) },
    });
    expect(response.results[1]!.values[0]!.val.value).toBe(text);
  });

  test('5,000 equal rows are one entity', async () => {
    const { fixture } = wideFixture(1);
    const { store } = fixture;
    let keys = 0;
    const counting = fixtureOf(fixture.snapshot, {
      store: {
        ...store,
        read(reads, options) {
          keys += reads[0]!.keys.length;
          return store.read(reads, options);
        },
      },
    });
    const same = Array.from({ length: 5000 }, (): ValueInit => ['int64Val', 7n]);
    const response = await ask(counting, { features: ['wide:f0'], entities: { item_id: same } });
    expect(response.results[1]!.values).toHaveLength(5000);
    expect(keys).toBe(1);
  });
});
