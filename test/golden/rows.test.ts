import { fromBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ValueSchema, type Value } from '../../gen/feast/types/Value_pb.ts';
import { valueJson } from '../../src/http/value-json.ts';
import type { GoldenAnswer, GoldenCell } from '../support/golden-answer.ts';
import { canonicalMessage, NO_VALUE } from '../support/golden-answer.ts';
import { encodeRequest, requestBody, valueMessage } from '../support/encode-request.ts';
import { connectGoldenClients, type GoldenClients } from '../support/golden-clients.ts';
import { canonicalJson, parseExactJson } from '../support/golden-json.ts';
import { startGoldenServer } from '../support/golden-server.ts';
import { goldenVariants, type GoldenVariant } from '../support/golden-vectors.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import type { RepositoryServer } from '../support/repository-server.ts';
import { describeWithShared } from '../support/shared.ts';
import { readGoldenRegistry, type GoldenRegistry } from './golden-registry.ts';
import { openGoldenStore, type GoldenStore, type StoredEntity } from './golden-store.ts';

/** One stored name of a view, as references name it. */
interface StoredView {
  readonly storedName: string;
  readonly reference: string;
  readonly featureNames: readonly string[];
}

/** Stored features that no request may reach, or that `golden.test.ts` asks for. */
const UNREACHABLE: ReadonlyMap<string, number> = new Map([
  // 21 of a view that was never materialized, 3 of one that is disabled, 9 of rows that are damaged.
  ['edges redis', 33],
  ['edges sqlite', 24],
  // A join key that an on-demand view was written with, and does not declare.
  ['ondemand redis', 2],
  ['ondemand sqlite', 2],
  // Precomputed vectors, which no reference names: they are read by the services that they are of.
  ['precompute redis', 8],
]);

/** Its table does not exist. */
const WITHOUT_TABLE = 'edges sqlite not_online';

describeWithShared('rows that Feast wrote', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());

  const served = goldenVariants().filter(({ variant }) => !/ekv[01]/.test(variant));
  describe.each(served)('$scenario $variant', (variant) => {
    let server: RepositoryServer;
    let clients: GoldenClients;
    beforeAll(async () => {
      server = await startGoldenServer(variant, redis.port);
      clients = connectGoldenClients(server.port);
    });
    afterAll(async () => {
      clients?.close();
      await server?.close();
    });

    it('come back over gRPC and JSON, feature by feature', async () => {
      const registry = readGoldenRegistry(variant.scenario, variant.variant);
      const store = openGoldenStore(variant, registry.project);
      const problems: string[] = [];
      let found = 0;
      for (const { entities, views } of groupByJoinKeys(variant, registry, store)) {
        for (const protocol of ['gRPC', 'JSON'] as const) {
          if (protocol === 'JSON' && hasBytes(entities)) continue;
          const answer = await ask(clients, protocol, entities, views);
          const expected = expectedCells(store, entities, views, protocol);
          problems.push(...compare(expected, answer).map((line) => `${protocol}: ${line}`));
        }
        const cells = expectedCells(store, entities, views, 'gRPC');
        for (const each of cells.values()) {
          found += each.filter(({ status }) => status === 'PRESENT').length;
        }
      }
      expect(problems.slice(0, 10)).toEqual([]);
      const reachable =
        store.featureCount - (UNREACHABLE.get(`${variant.scenario} ${variant.variant}`) ?? 0);
      expect(found).toBe(reachable);
    });
  });
});

/** Entities with the same join keys, and the views that they are entities of. */
interface Group {
  readonly entities: readonly StoredEntity[];
  readonly views: readonly StoredView[];
}

function groupByJoinKeys(
  variant: GoldenVariant,
  registry: GoldenRegistry,
  store: GoldenStore,
): readonly Group[] {
  const readable = store.entities.filter(({ key }) => isReadable(registry, store, key));
  const groups = Map.groupBy(readable, ({ parsed }) => JSON.stringify(parsed.joinKeys));
  return [...groups].flatMap(([joinKeys, entities]) => {
    const views = [...registry.views].flatMap(([name, { joinKeys: keys, isServed, ...view }]) => {
      const names = keys.size === 0 ? ['__dummy_id'] : [...keys.keys()];
      if (JSON.stringify(names.toSorted(compareBytes)) !== joinKeys || !isServed) return [];
      if (`${variant.scenario} ${variant.variant} ${name}` === WITHOUT_TABLE) return [];
      const current = registry.keepsVersions ? view.currentVersion : 0;
      return Array.from({ length: current + 1 }, (_, version): StoredView => ({
        storedName: version === 0 ? name : `${name}_v${version}`,
        reference: registry.keepsVersions ? `${name}@v${version}` : name,
        featureNames: featuresOf(variant, registry, name, version),
      }));
    });
    return views.length === 0 ? [] : [{ entities, views }];
  });
}

/** Whether a join key is of BYTES, which JSON does not have. */
function hasBytes(entities: readonly StoredEntity[]): boolean {
  return entities.some(({ parsed }) => parsed.values.some(({ type }) => type === 1));
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The registry has the features of the current version; the recorded repository says which the others had. */
function featuresOf(
  { scenario }: GoldenVariant,
  registry: GoldenRegistry,
  viewName: string,
  version: number,
): readonly string[] {
  const { featureNames, currentVersion } = registry.views.get(viewName)!;
  if (version === currentVersion) return [...featureNames];
  if (scenario !== 'versions' || viewName !== 'rates')
    throw new Error(`which features had ${viewName}?`);
  return version === 0 ? ['a', 'b'] : ['a', 'b', 'c'];
}

/** Whether all that is stored under the key are values; those who damaged some of them say which. */
function isReadable(registry: GoldenRegistry, store: GoldenStore, key: Uint8Array): boolean {
  try {
    for (const [name, { featureNames }] of registry.views) {
      for (const featureName of featureNames) {
        const { value } = store.find(name, featureName, key);
        if (value !== undefined) fromBinary(ValueSchema, value);
      }
    }
    return true;
  } catch {
    return false;
  }
}

async function ask(
  clients: GoldenClients,
  protocol: 'gRPC' | 'JSON',
  entities: readonly StoredEntity[],
  views: readonly StoredView[],
): Promise<GoldenAnswer> {
  const features = views.flatMap(({ reference, featureNames }) =>
    featureNames.map((feature) => `${reference}:${feature}`),
  );
  const { joinKeys } = entities[0]!.parsed;
  const columns = joinKeys.map(
    (name, i) => [name, entities.map((e) => e.parsed.values[i]!)] as const,
  );
  if (protocol === 'gRPC') {
    const values = columns.map(([name, column]) => [
      name,
      column.map(({ type, value }) => valueMessage(CASE_OF_TYPE[type], value)),
    ]);
    const bytes = encodeRequest(
      features,
      Object.fromEntries(values) as Record<string, readonly Value[]>,
      { fullFeatureNames: true },
    );
    return clients.grpc('/GrpcFeatureServer/GetOnlineFeatures', bytes, false);
  }
  const texts = columns.map(([name, column]) => [
    name,
    column.map(({ value }) => (typeof value === 'string' ? JSON.stringify(value) : String(value))),
  ]);
  const body = requestBody(
    features,
    Object.fromEntries(texts) as Record<string, readonly string[]>,
    { fullFeatureNames: true },
  );
  return clients.http({ method: 'POST', path: '/get-online-features', body }, false);
}

const CASE_OF_TYPE: Readonly<Record<number, string>> = {
  1: 'bytesVal',
  2: 'stringVal',
  3: 'int32Val',
  4: 'int64Val',
  8: 'unixTimestampVal',
};

function expectedCells(
  store: GoldenStore,
  entities: readonly StoredEntity[],
  views: readonly StoredView[],
  protocol: 'gRPC' | 'JSON',
): ReadonlyMap<string, readonly GoldenCell[]> {
  return new Map(
    views.flatMap(({ storedName, reference, featureNames }) =>
      featureNames.map((featureName) => {
        const cells = entities.map(({ key }): GoldenCell => {
          const { value, eventTimestampNs = 0n } = store.find(storedName, featureName, key);
          const seconds = eventTimestampNs / 1_000_000_000n;
          const nanos = String(eventTimestampNs % 1_000_000_000n).padStart(9, '0');
          return {
            value: value === undefined ? NO_VALUE : textOf(value, protocol),
            status: value === undefined ? 'NOT_FOUND' : 'PRESENT',
            timestamp: `${seconds}.${nanos}`,
          };
        });
        return [`${reference}__${featureName}`, cells] as const;
      }),
    ),
  );
}

function textOf(value: Uint8Array, protocol: 'gRPC' | 'JSON'): string {
  // `json-values.test.ts` holds this text against Feast's.
  if (protocol === 'JSON') return canonicalJson(parseExactJson(valueJson(value, 'string')!));
  const message = fromBinary(ValueSchema, value);
  return value.length === 0 ? NO_VALUE : canonicalMessage(message);
}

function compare(
  expected: ReadonlyMap<string, readonly GoldenCell[]>,
  answer: GoldenAnswer,
): readonly string[] {
  if (answer.kind !== 'features') return [`${answer.kind}: ${JSON.stringify(answer)}`];
  const actual = new Map(answer.columns.map(({ name, cells }) => [name, cells]));
  return [...expected].flatMap(([name, cells]) => {
    const got = JSON.stringify(actual.get(name));
    return got === JSON.stringify(cells)
      ? []
      : [`${name}: expected ${JSON.stringify(cells)}, got ${got}`];
  });
}
