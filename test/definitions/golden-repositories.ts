import {
  Bool,
  Bytes,
  Decimal,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineFileSource,
  defineOnDemandFeatureView,
  definePushSource,
  defineRequestSource,
  field,
  Float32,
  Float64,
  Int32,
  Int64,
  Json,
  listOf,
  Map as MapType,
  ScalarMap,
  setOf,
  String as Text,
  structOf,
  TimeUuid,
  UnixTimestamp,
  Uuid,
  ZonedTimestamp,
  type Definition,
} from 'sideboard';

/**
 * Feature repositories whose Python twins Feast applied when the golden registries were recorded: the same objects, in
 * the same order, under the same names.
 */
export interface GoldenRepository {
  readonly scenario: string;
  readonly project: string;
  readonly definitions: readonly Definition[];
  /** On-demand views: the Python source of their functions is taken from the recorded registry. */
  readonly withFunctions?: boolean;
}

function parquet(name: string, timestampField = 'event_timestamp') {
  return defineFileSource({ name, path: `data/${name}.parquet`, timestampField });
}

function services(): GoldenRepository {
  const location = defineEntity({ name: 'location', joinKey: 'location_id', valueType: Text });
  const user = defineEntity({ name: 'user', joinKey: 'user_id', valueType: Int64 });
  const locationStats = defineFeatureView({
    name: 'location_stats',
    entities: [location],
    ttl: { days: 36_500 },
    source: parquet('loc'),
    tags: { team: 'geo', tier: '1' },
    schema: {
      temperature: Int32,
      population: field(Int64, { tags: { unit: 'persons' } }),
      score: Float64,
    },
  });
  const userStats = defineFeatureView({
    name: 'user_stats',
    entities: [user],
    source: defineFileSource({
      name: 'usr',
      path: 'data/usr.parquet',
      timestampField: 'event_timestamp',
      createdTimestampColumn: 'created',
      fieldMapping: { src_trips: 'trips', src_spend: 'spend' },
    }),
    schema: { trips: Int64, spend: Float32, score: Float64, tier: Text },
  });
  const userProfile = defineFeatureView({
    name: 'user_profile',
    entities: [user],
    ttl: { days: 1 },
    source: parquet('prof'),
    schema: { name: Text, langs: listOf(Text), score: Int64 },
  });
  const service = defineFeatureService;
  return {
    scenario: 'services',
    project: 'travel',
    definitions: [
      service({ name: 'svc_basic', features: [userStats, locationStats.select('temperature')] }),
      service({
        name: 'svc_projection',
        features: [userStats.select('tier', 'trips'), userProfile.select('name')],
        tags: { release: 'prod' },
        description: 'projection',
        owner: 'o@example.com',
      }),
      service({
        name: 'svc_alias',
        features: [
          locationStats.withName('origin_stats').withJoinKeyMap({ location_id: 'origin_id' }),
          locationStats
            .withName('destination_stats')
            .withJoinKeyMap({ location_id: 'destination_id' }),
          userStats.select('trips'),
        ],
      }),
      service({
        name: 'svc_rename',
        features: [userProfile.withName('up').select('name', 'langs')],
      }),
      service({
        name: 'svc_map_only',
        features: [locationStats.select('population').withJoinKeyMap({ location_id: 'home_id' })],
      }),
      service({
        name: 'svc_collision',
        features: [userStats.select('score'), userProfile.select('score')],
      }),
      service({
        name: 'svc_order',
        features: [
          userProfile.select('langs', 'name'),
          locationStats.select('score', 'temperature'),
          userStats.select('spend', 'tier'),
        ],
      }),
      service({
        name: 'svc_two_alias',
        features: [userStats.withName('a').select('trips'), userStats.withName('b').select('tier')],
      }),
    ],
  };
}

function keys(): GoldenRepository {
  const types = { z_key: Int64, a_key: Text, M_key: Int32 };
  const [zk, ak, mk] = [
    defineEntity({ name: 'zk', joinKey: 'z_key', valueType: types.z_key }),
    defineEntity({ name: 'ak', joinKey: 'a_key', valueType: types.a_key }),
    defineEntity({ name: 'mk', joinKey: 'M_key', valueType: types.M_key }),
  ];
  const slot = defineEntity({ name: 'slot', joinKey: 'slot_ts', valueType: UnixTimestamp });
  const blob = defineEntity({ name: 'blob', joinKey: 'blob_id', valueType: Bytes });
  const ttl = { days: 365 };
  return {
    scenario: 'keys',
    project: 'keylab',
    definitions: [
      defineFeatureView({
        name: 'triple',
        entities: [zk, ak, mk],
        ttl,
        source: parquet('triple_src'),
        schema: { triple_n: Int64, triple_x: Float64 },
      }),
      defineFeatureView({
        name: 'by_slot',
        entities: [slot],
        ttl,
        source: parquet('by_slot_src'),
        schema: { by_slot_n: Int64, by_slot_x: Float64, by_slot_s: Text },
      }),
      defineFeatureView({
        name: 'by_blob',
        entities: [blob],
        ttl,
        source: parquet('by_blob_src'),
        schema: { by_blob_n: Int64, by_blob_x: Float64, by_blob_s: Text },
      }),
      defineFeatureView({
        name: 'global_stats',
        ttl,
        source: parquet('global_stats_src'),
        schema: { global_stats_n: Int64, global_stats_x: Float64 },
      }),
    ],
  };
}

function writes(): GoldenRepository {
  const driver = defineEntity({ name: 'driver', joinKey: 'driver_id', valueType: Int64 });
  const account = defineEntity({ name: 'account', joinKey: 'account_no', valueType: Text });
  const push = definePushSource({
    name: 'stats_push',
    batchSource: defineFileSource({
      name: 'stats_batch',
      path: 'data/stats_batch.parquet',
      timestampField: 'event_timestamp',
      createdTimestampColumn: 'created',
    }),
  });
  const mapped = definePushSource({
    name: 'mapped_push',
    batchSource: defineFileSource({
      name: 'mapped_batch',
      path: 'data/mapped_batch.parquet',
      timestampField: 'event_timestamp',
      fieldMapping: { raw_v: 'v' },
    }),
  });
  const ttl = { days: 36_500 };
  return {
    scenario: 'writes',
    project: 'ingest',
    definitions: [
      defineFeatureView({
        name: 'driver_stats',
        entities: [driver],
        ttl,
        source: push,
        schema: { trips: Int64, rate: Float32, name: Text, tags: listOf(Text) },
      }),
      defineFeatureView({
        name: 'driver_rate',
        entities: [driver],
        ttl,
        source: push,
        schema: { rate: Float32 },
      }),
      defineFeatureView({
        name: 'pair',
        entities: [driver, account],
        ttl,
        source: parquet('pair_batch'),
        schema: {
          m: MapType,
          j: Json,
          b: Bytes,
          i: Int32,
          d: Float64,
          u: Uuid,
          l: listOf(Int64),
          s: setOf(Text),
          dec: Decimal,
        },
      }),
      defineFeatureView({
        name: 'mapped',
        entities: [driver],
        source: mapped,
        schema: { v: Int64 },
      }),
      defineFeatureView({
        name: 'global_v',
        source: definePushSource({ name: 'global_push', batchSource: parquet('global_batch') }),
        schema: { g: Int64 },
      }),
    ],
  };
}

function edges(): GoldenRepository {
  const person = defineEntity({
    name: 'person',
    joinKey: 'uid',
    valueType: Int64,
    tags: { pii: 'no' },
  });
  const schema = { n: Int64, s: Text, f: Float32 };
  const entities = [person] as const;
  const unicode = defineFeatureView({
    name: 'Zürich_stats',
    entities,
    source: defineFileSource({
      name: 'u0',
      path: 'data/u0.parquet',
      timestampField: 'event_timestamp',
    }),
    schema: { größe: Int64, 'a b': Text, x__y: Float64, 'c:d': Int64 },
  });
  return {
    scenario: 'edges',
    project: 'edge_cases',
    definitions: [
      defineFeatureView({ name: 'ttl_zero', entities, source: parquet('ttl_zero'), schema }),
      defineFeatureView({
        name: 'ttl_short',
        entities,
        ttl: { seconds: 60 },
        source: parquet('ttl_short'),
        schema,
      }),
      defineFeatureView({
        name: 'switched_off',
        entities,
        enabled: false,
        source: parquet('off'),
        schema,
      }),
      defineFeatureView({
        name: 'not_online',
        entities,
        online: false,
        source: parquet('offl'),
        schema,
      }),
      unicode,
    ],
  };
}

function types(): GoldenRepository {
  const item = defineEntity({ name: 'item', joinKey: 'item_id', valueType: Int64 });
  const struct = structOf({ a: Int64, b: Text });
  return {
    scenario: 'types',
    project: 'catalog',
    definitions: [
      defineFeatureView({
        name: 'arrays',
        entities: [item],
        ttl: { days: 36_500 },
        source: parquet('arrays_src'),
        schema: {
          int32_list_18: listOf(Int32),
          int64_list_19: listOf(Int64),
          float_list_20: listOf(Float32),
          double_list_21: listOf(Float64),
          string_list_22: listOf(Text),
          bytes_list_23: listOf(Bytes),
          bool_list_24: listOf(Bool),
          unix_timestamp_list_25: listOf(UnixTimestamp),
          uuid_list_26: listOf(Uuid),
          time_uuid_list_27: listOf(TimeUuid),
          decimal_list_28: listOf(Decimal),
          json_list_29: listOf(Json),
          map_list_30: listOf(MapType),
          struct_list_31: listOf(struct),
          list_32: listOf(listOf(Int64)),
          list_33: listOf(setOf(Text)),
        },
      }),
      defineFeatureView({
        name: 'sets',
        entities: [item],
        source: parquet('sets_src'),
        schema: {
          int32_set_34: setOf(Int32),
          int64_set_35: setOf(Int64),
          float_set_36: setOf(Float32),
          double_set_37: setOf(Float64),
          string_set_38: setOf(Text),
          bytes_set_39: setOf(Bytes),
          bool_set_40: setOf(Bool),
          unix_timestamp_set_41: setOf(UnixTimestamp),
          uuid_set_42: setOf(Uuid),
          time_uuid_set_43: setOf(TimeUuid),
          decimal_set_44: setOf(Decimal),
          set_45: setOf(listOf(Int64)),
          set_46: setOf(setOf(Text)),
        },
      }),
    ],
  };
}

/** The scalars of the types scenario, which also has two types that have no number in the protos. */
export const SCALAR_FIELDS = {
  int32_0: Int32,
  int64_1: Int64,
  float_2: Float32,
  double_3: Float64,
  string_4: Text,
  bytes_5: Bytes,
  bool_6: Bool,
  unix_timestamp_7: UnixTimestamp,
  uuid_8: Uuid,
  time_uuid_9: TimeUuid,
  decimal_10: Decimal,
  json_11: Json,
  map_12: MapType,
  struct_13: structOf({ a: Int64, b: Text }),
  scalar_map_14: ScalarMap,
  zoned_timestamp_15: ZonedTimestamp,
} as const;

function onDemand(): GoldenRepository {
  const driver = defineEntity({ name: 'driver', joinKey: 'driver_id', valueType: Int64 });
  const stats = defineFeatureView({
    name: 'stats',
    entities: [driver],
    ttl: { days: 36_500 },
    source: parquet('stats'),
    schema: { conv: Float64, trips: Int64, name: Text },
  });
  const request = defineRequestSource({ name: 'vals', schema: { add: Int64, factor: Float64 } });
  const basic = defineOnDemandFeatureView({
    name: 'pd_basic',
    sources: [stats.select('conv', 'trips')],
    schema: { conv_pct: Float64, trips_plus: Int64 },
  });
  const withRequest = defineOnDemandFeatureView({
    name: 'pd_request',
    sources: [stats, request],
    schema: { conv_add: Float64, greeting: Text },
  });
  const python = defineOnDemandFeatureView({
    name: 'py_basic',
    sources: [stats, request],
    schema: { py_sum: Float64, py_list: listOf(Int64) },
    mode: 'python',
  });
  const requestOnly = defineOnDemandFeatureView({
    name: 'req_only',
    sources: [request],
    schema: { only_req: Float64 },
  });
  return {
    scenario: 'ondemand',
    project: 'odfv',
    withFunctions: true,
    definitions: [
      basic,
      withRequest,
      python,
      requestOnly,
      defineFeatureService({ name: 'svc_od', features: [stats.select('trips'), basic] }),
      defineFeatureService({
        name: 'svc_od_req',
        features: [withRequest.select('conv_add'), stats.select('name')],
      }),
      defineFeatureService({ name: 'svc_od_alias', features: [basic.withName('pb')] }),
    ],
  };
}

/** Made anew at each call: definitions are frozen, their objects are compared by identity. */
export function goldenRepositories(): readonly GoldenRepository[] {
  return [services(), keys(), writes(), edges(), types(), onDemand()];
}
