import type { StoredDelta } from '../support/stored-rows.ts';

/** How a write has to end. */
export interface WriteExpectation {
  /** Name of the gRPC code. */
  readonly grpc: string;
  readonly http: number;
  /** Class of `feast.errors` in the HTTP body. */
  readonly feastClass?: string;
  readonly delta: StoredDelta;
}

/** What a departure may look at. */
export interface WriteWorld {
  readonly store: 'redis' | 'sqlite';
  /** `sqlite_skip_stale`. */
  readonly skipsStale: boolean;
  /** What Feast changed for another vector of the same file. */
  deltaOf(id: string): StoredDelta;
  /** A cell's value with its event time, for a row that Feast refuses. */
  movedTo(delta: StoredDelta, unixSeconds: number): StoredDelta;
  /** The delta with a feature's value replaced. */
  withValue(delta: StoredDelta, feature: string, value: Uint8Array): StoredDelta;
  /** The same rows under the key `__dummy_id` = ''. */
  underDummyKey(delta: StoredDelta): StoredDelta;
  /** The same rows without created timestamps. */
  withoutCreated(delta: StoredDelta): StoredDelta;
  /** The row of a vector's frame that has the newest event time, in place of the last one. */
  newestOf(vector: string, delta: StoredDelta): StoredDelta;
}

/** A place where writes depart from Feast on purpose. */
export interface WriteDeparture {
  /** Decision of section 12 of the contract, or 14 for its section 14. */
  readonly number: string;
  readonly point: string;
  readonly feast: string;
  readonly ours: string;
  readonly why: string;
  /** The vectors that it concerns, by their ids without `writes-`. */
  readonly vectors: readonly string[];
  /** `undefined` where it does not concern the store. */
  readonly apply: (
    feast: WriteExpectation,
    vector: string,
    world: WriteWorld,
  ) => WriteExpectation | undefined;
}

const NOTHING: StoredDelta = new Map();
/** Of the two views of the push source `stats_push`, the one that takes every row of the vectors that the other refuses. */
const HEALTHY_VIEW = 'driver_rate ';

const DONE = { grpc: 'OK', http: 200 };
const REFUSED = { grpc: 'INVALID_ARGUMENT', http: 400 };
const UNPROCESSABLE = { grpc: 'INVALID_ARGUMENT', http: 422 };

/** @param sibling the vector whose delta is what such a write has to make. */
function accept(sibling: string): WriteDeparture['apply'] {
  return (_feast, _vector, world) => ({ ...DONE, delta: world.deltaOf(sibling) });
}

const refuse: WriteDeparture['apply'] = () => ({ ...REFUSED, delta: NOTHING });
const refuseForOneView: WriteDeparture['apply'] = (_feast, _vector, world) => ({
  ...REFUSED,
  delta: new Map([...world.deltaOf('w000')].filter(([cell]) => cell.startsWith(HEALTHY_VIEW))),
});

export const WRITE_DEPARTURES: readonly WriteDeparture[] = [
  {
    number: '12.14',
    point: 'writes that cannot be carried out',
    feast: 'HTTP 500, gRPC INTERNAL with the text of a Python exception',
    ours: 'HTTP 400, gRPC INVALID_ARGUMENT, naming view, column and rows',
    why: "Feast's own client repeats a request that got a 500 three times and loses the text",
    vectors: [
      'w035',
      'w037',
      'w038',
      'w040',
      'w041',
      'w042',
      'w053',
      'w058',
      'w059',
      'w068',
      'w073',
      'w085',
      'w086',
      'w088',
      'w090',
      'w108',
      'w112',
    ],
    apply: refuse,
  },
  {
    number: '12.44',
    point: 'pushes of which one view takes the rows and another does not',
    feast: 'in arbitrary order; what comes after the failure is written or not',
    ours: 'every view that takes the rows is written, then the failure is told',
    why: 'what was written does not depend on chance',
    vectors: ['w027', 'w028', 'w034', 'w039', 'w102', 'w103'],
    apply: refuseForOneView,
  },
  {
    number: '14',
    point: 'values that Feast stores as something else',
    feast: 'an object in a text column becomes null, a text in a list column its letters',
    ours: 'refused like any value that does not fit',
    why: 'losing data without a word is worse than an error',
    vectors: ['w032', 'w033'],
    apply: refuseForOneView,
  },
  {
    number: '14',
    point: 'event times in words',
    feast: 'whatever dateutil makes of them',
    ours: 'ISO 8601 alone',
    why: 'the same words mean different moments to different readers',
    vectors: ['w050'],
    apply: refuse,
  },
  {
    number: '14',
    point: 'event times beyond 2262',
    feast: 'refused: pandas has no such nanoseconds',
    ours: 'written',
    why: 'the stores hold them',
    vectors: ['w051'],
    apply: (_feast, _vector, world) => ({
      ...DONE,
      delta: world.movedTo(world.deltaOf('w000'), Date.UTC(2500, 0, 1) / 1000),
    }),
  },
  {
    number: '12.46',
    point: 'pushes to the offline store',
    feast:
      'appended to the batch source; HTTP 500 where that fails, after the online store was written',
    ours: 'HTTP 422, gRPC INVALID_ARGUMENT, nothing written',
    why: 'there is no offline store here, and half a write is worse than none',
    vectors: ['w056', 'w057', 'w109', 'w110'],
    apply: () => ({ ...UNPROCESSABLE, delta: NOTHING }),
  },
  {
    number: '12.45',
    point: 'gRPC pushes that name no mode',
    feast: 'INTERNAL',
    ours: 'online, as over HTTP',
    why: 'there is one useful default',
    vectors: ['w107'],
    apply: accept('w092'),
  },
  {
    number: '12.42',
    point: 'unix_timestamp_val as event time',
    feast: 'nanoseconds: 1970',
    ours: 'seconds, as everywhere else in Feast',
    why: 'nobody means the first two seconds of 1970',
    vectors: ['w095'],
    apply: accept('w092'),
  },
  {
    number: '12.25',
    point: 'views without entities',
    feast: 'written under the key of zero join keys, where reads do not look',
    ours: "written under `__dummy_id` = ''",
    why: 'reads find them',
    vectors: ['w064', 'w080', 'w113'],
    apply: (_feast, vector, world) => ({
      ...DONE,
      delta: world.underDummyKey(world.deltaOf(vector)),
    }),
  },
  {
    number: '14',
    point: 'field mapping',
    feast: "the feature's name alone is accepted",
    ours: "the source's name as well; both together are refused",
    why: "it is the mapping's purpose",
    vectors: ['w067'],
    apply: accept('w066'),
  },
  {
    number: '12.14',
    point: 'unknown views',
    feast: "HTTP 404 FeastObjectNotFoundException, gRPC INTERNAL `'name'`",
    ours: 'HTTP 404 FeatureViewNotFoundException (a subclass), gRPC NOT_FOUND',
    why: 'the same error as for reads',
    vectors: ['w078', 'w117'],
    apply: () => ({
      grpc: 'NOT_FOUND',
      http: 404,
      feastClass: 'FeatureViewNotFoundException',
      delta: NOTHING,
    }),
  },
  {
    number: '14',
    point: 'text for numbers and bools',
    feast: 'INT and FLOAT take text, DOUBLE and BOOL do not',
    ours: 'all of them take text that spells the value',
    why: 'the string features of the gRPC server can say nothing else',
    vectors: ['w111', 'w116'],
    apply: accept('w063'),
  },
  {
    number: '14',
    point: 'objects with lists for JSON features',
    feast: 'HTTP 500: arrays of NumPy are not JSON',
    ours: 'written as `json.dumps` spells them',
    why: 'objects without lists are written',
    vectors: ['w084'],
    apply: (_feast, _vector, world) => ({
      ...DONE,
      delta: world.withValue(
        world.deltaOf('w081'),
        'j',
        Buffer.from('\u{82}\u{2}\u{10}{"k": [1, null]}', 'latin1'),
      ),
    }),
  },
  {
    number: '14',
    point: 'maps in typed features',
    feast: 'INTERNAL: Arrow knows no Value',
    ours: 'written',
    why: 'the type says what is meant',
    vectors: ['w120'],
    apply: (_feast, _vector, world) => {
      // {"a": 1} of w083 and the document of w081 beside the rest of w122.
      const withMap = world.withValue(world.deltaOf('w122'), 'm', mapOfOne());
      return {
        ...DONE,
        delta: world.withValue(withMap, 'j', Buffer.from('\u{82}\u{2}\u{7}{"k":1}', 'latin1')),
      };
    },
  },
  {
    number: '14',
    point: 'created timestamps that are null, in SQLite',
    feast: 'HTTP 500: SQLite takes no NaT',
    ours: 'written without one, as in Redis',
    why: "Feast's remote online store sends them",
    vectors: ['w091', 'w124'],
    apply: (_feast, _vector, world) =>
      world.store === 'sqlite'
        ? { ...DONE, delta: world.withoutCreated(world.deltaOf('w075')) }
        : undefined,
  },
  {
    number: '12.28',
    point: 'older rows in SQLite',
    feast: 'replace newer ones',
    ours: 'left out, unless `sqlite_skip_stale` is off',
    why: 'the order of events decides, as in Redis',
    vectors: ['w002', 'w008', 'w013', 'w014', 'w076', 'w094'],
    apply: (feast, _vector, world) =>
      world.store === 'sqlite' && world.skipsStale ? { ...feast, delta: NOTHING } : undefined,
  },
  {
    number: '12.28',
    point: 'several rows of one entity in a write to SQLite',
    feast: 'the last one stays',
    ours: 'the newest one stays, unless `sqlite_skip_stale` is off',
    why: 'the order of events decides, as in Redis',
    vectors: ['w009', 'w010'],
    apply: (feast, vector, world) =>
      world.store === 'sqlite' && world.skipsStale
        ? { ...feast, delta: world.newestOf(vector, feast.delta) }
        : undefined,
  },
];

/** Encoded `map_val {"a": int64 1}`. */
function mapOfOne(): Uint8Array {
  return Buffer.from('a201090a070a016112022001', 'hex');
}
