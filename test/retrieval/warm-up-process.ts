/**
 * Answers the same random requests again and again, from the first call of a fresh process until everything is
 * optimised, and compares every answer with the model's. Started by warm-up.test.ts with a seed.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import * as fc from 'fast-check';
import { GetOnlineFeaturesResponseSchema } from '../../gen/feast/serving/ServingService_pb.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import type { FeatureReader } from '../../src/retrieval/feature-reader.ts';
import {
  answerBytes,
  encodeQuestion,
  fixtureOf,
  NOW_SECONDS,
  SEMANTICS,
  value,
  type ValueInit,
} from './ask.ts';
import { answerByModel, type ModelWorld } from './model.ts';
import { anyCase, storeOf } from './random-world.ts';
import { snapshotOf } from './registry-fixture.ts';

const ROUNDS = 400;
const RANDOM_CASES = 40;

interface Exchange {
  readonly reader: FeatureReader;
  readonly message: Uint8Array;
  readonly enforceTtl: boolean;
  /** Hex. */
  readonly expected: string;
}

const seed = Number(process.argv[2]);
const exchanges = [...randomExchanges(), ...wideExchanges()];
let compared = 0;
for (let round = 0; round < ROUNDS; round++) {
  for (const { reader, message, enforceTtl, expected } of exchanges) {
    const answer = hex(await answerBytes(reader, message, { enforceTtl }));
    if (answer !== expected) {
      console.error(`round ${round}: ${answer}\ninstead of ${expected}`);
      process.exit(1);
    }
    compared++;
  }
}
console.log(`${compared} answers equal`);

function randomExchanges(): readonly Exchange[] {
  return fc
    .sample(anyCase, { seed, numRuns: RANDOM_CASES })
    .flatMap(({ world, messages }) => exchangesOf(world, messages));
}

/** What the model answers; requests that it refuses are left out. */
function exchangesOf(world: ModelWorld, messages: readonly Uint8Array[]): readonly Exchange[] {
  const { semantics, snapshot, enforceTtl } = world;
  const { reader } = fixtureOf(snapshot, { semantics, store: storeOf(world) });
  return messages.flatMap((message) => {
    const expected = answerByModel(world, message);
    if ('errors' in expected) return [];
    const response = create(GetOnlineFeaturesResponseSchema, expected.response);
    const bytes = hex(toBinary(GetOnlineFeaturesResponseSchema, response));
    return [{ reader, message, enforceTtl, expected: bytes }];
  });
}

/** 40 rows × 12 features with values of 0 to 300 bytes. */
function wideExchanges(): readonly Exchange[] {
  const names = Array.from({ length: 12 }, (_, index) => `feature_${index}`);
  const ids = Array.from({ length: 40 }, (_, row): ValueInit => ['int64Val', BigInt(row * seed)]);
  const world: ModelWorld = {
    snapshot: snapshotOf({
      entities: { driver: ['driver_id', ValueType.INT64] },
      views: [
        {
          name: 'wide',
          entities: ['driver'],
          features: Object.fromEntries(names.map((name) => [name, ValueType.STRING])),
        },
      ],
    }),
    rows: ids.map((id, row) => ({
      viewName: 'wide',
      version: 0,
      entity: { driver_id: value(id) },
      eventTimestamp: timestampFromMs(row * 1000),
      features: Object.fromEntries(
        names.map((name, index) => {
          const text = 'z'.repeat((row * seed * (index + 1)) % 300);
          return [name, value(['stringVal', text])];
        }),
      ),
    })),
    semantics: SEMANTICS,
    enforceTtl: false,
    nowSeconds: NOW_SECONDS,
  };
  const features = names.map((name) => `wide:${name}`);
  return exchangesOf(world, [encodeQuestion({ features, entities: { driver_id: ids } })]);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
