/** Random registries, rows and requests, small enough that they often meet. */
import { create, toBinary } from '@bufbuild/protobuf';
import { TimestampSchema, timestampFromMs } from '@bufbuild/protobuf/wkt';
import * as fc from 'fast-check';
import { ValueSchema } from '../../gen/feast/types/Value_pb.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import type { EntityKeyValue } from '../../src/feast-encoding/entity-key.ts';
import { createMemoryOnlineStore, type MemoryOnlineStore } from '../support/memory-online-store.ts';
import {
  encodeQuestion,
  NOW_SECONDS,
  put,
  SEMANTICS,
  value,
  type Question,
  type ValueInit,
} from './ask.ts';
import type { ModelRow, ModelWorld } from './model.ts';
import {
  anyOlderViews,
  anyService,
  anyView,
  ENTITIES,
  ENTITY_NAMES,
  type Views,
} from './random-registry.ts';
import { snapshotOf, type ServiceSpec, type ViewSpec } from './registry-fixture.ts';

const { BYTES, STRING, INT32, INT64, UNIX_TIMESTAMP } = ValueType;

/** Few values per type, so that rows and requests meet. */
const POOL: Readonly<Record<number, readonly ValueInit[]>> = {
  [INT64]: [
    ['int64Val', 0n],
    ['int64Val', -1n],
    ['int64Val', 9007199254740993n],
  ],
  [INT32]: [
    ['int32Val', 0],
    ['int32Val', -7],
  ],
  [STRING]: [
    ['stringVal', ''],
    ['stringVal', '-7'],
    ['stringVal', 'Zürich 🚚'],
    ['stringVal', 'x'.repeat(100)],
  ],
  [BYTES]: [
    ['bytesVal', Uint8Array.of()],
    ['bytesVal', Uint8Array.of(0, 255)],
  ],
  [UNIX_TIMESTAMP]: [
    ['unixTimestampVal', 0n],
    ['unixTimestampVal', -1n],
  ],
};

const ODD_VALUES: readonly (ValueInit | undefined)[] = [
  undefined,
  ['nullVal', 0],
  ['int32Val', -7],
  ['int64Val', -7n],
  ['stringVal', '-7'],
  ['doubleVal', 0],
  ['doubleVal', 0.5],
  ['boolVal', true],
];

const anyFeatureValue: fc.Arbitrary<ValueInit | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.constant(['nullVal', 0] as const),
  fc.double().map((n) => ['doubleVal', n] as const),
  fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }).map((n) => ['int64Val', n] as const),
  fc.string().map((text) => ['stringVal', text] as const),
  fc.integer({ min: 20, max: 300 }).map((length) => ['stringVal', 'y'.repeat(length)] as const),
  fc.array(fc.float()).map((val) => ['floatListVal', { val }] as unknown as ValueInit),
);

/** A world, what its store holds, and some requests to it. */
export interface RandomCase {
  readonly world: ModelWorld;
  readonly messages: readonly Uint8Array[];
}

export const anyCase: fc.Arbitrary<RandomCase> = fc
  .tuple(anyView('v0'), anyView('v1'), anyView('view_ü'))
  .chain((views) =>
    fc.record({
      views: fc.constant(views),
      olderViews: anyOlderViews(views),
      versioningEnabled: fc.boolean(),
    }),
  )
  .chain(({ views, olderViews, versioningEnabled }) =>
    fc
      .record({
        service: anyService({ views, olderViews, versioningEnabled }),
        rows: fc.array(anyRow([...views, ...olderViews]), { maxLength: 16 }),
        enforceTtl: fc.boolean(),
        readEntitylessPushes: fc.boolean(),
        onlineTtl: fc.constantFrom('protocol', 'enforce', 'ignore'),
        nullStatus: fc.constantFrom('present', 'null_value'),
        missingEntity: fc.constantFrom('not_found', 'present'),
        questions: fc.array(anyQuestion({ views, olderViews, versioningEnabled }), {
          minLength: 1,
          maxLength: 4,
        }),
      })
      .map(({ service, rows, enforceTtl, questions, ...semantics }) => ({
        world: {
          snapshot: snapshotOf({
            entities: ENTITIES,
            views,
            olderViews,
            services: [service],
            versioningEnabled,
          }),
          rows,
          semantics: { ...SEMANTICS, ...semantics },
          enforceTtl,
          nowSeconds: NOW_SECONDS,
        },
        messages: questions.map((question) => encodeQuestion(aliased(question, service))),
      })),
  );

function anyRow(views: readonly ViewSpec[]): fc.Arbitrary<ModelRow> {
  return fc.constantFrom(...views).chain((view) =>
    fc.record({
      viewName: fc.constant(view.name),
      version: fc.constantFrom(0, view.versionNumber ?? 0),
      isPushed: view.entities.length === 0 ? fc.boolean() : fc.constant(false),
      entity: fc.record(
        Object.fromEntries(
          view.entities.map((entity) => {
            const [joinKey, type] = ENTITIES[entity]!;
            return [joinKey, fc.constantFrom(...POOL[type]!).map(value)];
          }),
        ),
      ),
      eventTimestamp: fc.constantFrom(
        undefined,
        create(TimestampSchema),
        timestampFromMs((NOW_SECONDS - 60) * 1000),
        timestampFromMs((NOW_SECONDS - 61) * 1000 + 999),
        timestampFromMs(-1500),
      ),
      features: fc.dictionary(
        fc.constantFrom(...Object.keys(view.features)),
        anyFeatureValue.map(value),
      ),
    }),
  );
}

function anyQuestion({ views, olderViews, versioningEnabled }: Views): fc.Arbitrary<Question> {
  const good = views.flatMap((view) =>
    Object.keys(view.features).map((feature) => `${view.name}:${feature}`),
  );
  const latest = good.map((plain, i) => plain.replace(':', i % 2 === 0 ? '@:' : '@Latest:'));
  const pinned = [...views, ...olderViews].flatMap(({ name, versionNumber, features }) =>
    Object.keys(features).map((feature) => `${name}@v${versionNumber}:${feature}`),
  );
  const reference = fc.oneof(
    { weight: 150, arbitrary: fc.constantFrom(...good) },
    { weight: 6, arbitrary: fc.constantFrom(...latest) },
    { weight: versioningEnabled ? 40 : 1, arbitrary: fc.constantFrom(...pinned) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('nope:a', 'v0:nope', 'v0', 'v0:a:b', 'v0@v9:a', 'v0@x:a', '@v0:a'),
    },
  );
  return fc.integer({ min: 0, max: 6 }).chain((rowCount) =>
    fc.record(
      {
        features: fc.uniqueArray(reference, { minLength: 1, maxLength: 6 }),
        featureService: fc.constantFrom(...Array<string>(9).fill('service'), 'nope', ''),
        fullFeatureNames: fc.integer({ min: 0, max: 7 }).map((n) => n > 0),
        includeVersions: fc.boolean(),
        entities: anyEntities(rowCount),
      },
      { requiredKeys: ['entities', 'features', 'fullFeatureNames'] },
    ),
  );
}

function anyEntities(rowCount: number): fc.Arbitrary<NonNullable<Question['entities']>> {
  const columns = Object.entries(ENTITIES).map(([entity, [joinKey, type]]) => {
    const cell = fc.oneof(
      { weight: 60, arbitrary: fc.constantFrom(...POOL[type]!) },
      { weight: 1, arbitrary: fc.constantFrom(...ODD_VALUES) },
    );
    const length = fc.integer({ min: 0, max: 120 }).map((n) => (n === 0 ? rowCount + 1 : rowCount));
    const values = length.chain((count) => fc.array(cell, { minLength: count, maxLength: count }));
    const name = fc.constantFrom(joinKey, joinKey, joinKey, joinKey, entity);
    return fc.tuple(name, values);
  });
  const extra = fc.tuple(
    fc.constantFrom('nonsense', '__dummy_id', 'driver'),
    fc.array(fc.constantFrom(...ODD_VALUES), { minLength: rowCount, maxLength: rowCount }),
  );
  return fc
    .tuple(fc.tuple(...columns), fc.option(extra), fc.integer({ min: 0, max: 31 }))
    .map(([given, other, dropped]) =>
      Object.fromEntries([
        // One column in five cases is missing.
        ...given.filter((_, index) => dropped >= given.length || index !== dropped),
        ...(other === null ? [] : [other]),
      ]),
    );
}

/** For requests to a service: columns under the aliases that it maps join keys to (in two of three cases). */
function aliased(question: Question, service: ServiceSpec): Question {
  if (question.featureService !== 'service') return question;
  const entities: Record<string, readonly (ValueInit | undefined)[]> = {};
  const aliases = new Set(
    service.projections.flatMap(
      ({ joinKeyMap }) => [...(joinKeyMap ?? new Map()).keys()] as string[],
    ),
  );
  const own = new Set(
    service.projections.flatMap(({ joinKeyMap }) =>
      ENTITY_NAMES.map((name) => ENTITIES[name]![0]).filter((key) => !joinKeyMap?.has(key)),
    ),
  );
  for (const [index, [name, values]] of Object.entries(question.entities ?? {}).entries()) {
    const takesAlias = aliases.has(name) && (index + values.length) % 3 > 0;
    if (takesAlias) entities[`${name}_alias`] = values.toReversed();
    if (!takesAlias || own.has(name)) entities[name] = values;
  }
  return { ...question, entities };
}

/** A store with the rows of a world in it. */
export function storeOf({ rows, snapshot }: ModelWorld): MemoryOnlineStore {
  const store = createMemoryOnlineStore();
  for (const { viewName, version, isPushed, entity, eventTimestamp, features } of rows) {
    const key: Record<string, EntityKeyValue> = {};
    for (const { name, valueType } of snapshot.views.get(viewName)!.joinKeys) {
      if (isPushed === true) continue;
      const held = entity[name]?.val.value ?? '';
      key[name] = { type: valueType, value: held as EntityKeyValue['value'] };
    }
    const timestamp =
      eventTimestamp === undefined ? null : toBinary(TimestampSchema, eventTimestamp);
    const bytes = Object.entries(features).map(([name, each]) => [
      name,
      toBinary(ValueSchema, each),
    ]);
    const storedName = version === 0 ? viewName : `${viewName}_v${version}`;
    put(store, key, storedName, timestamp, Object.fromEntries(bytes) as Record<string, Uint8Array>);
  }
  return store;
}
