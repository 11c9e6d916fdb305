import { markMissing, refused, type StepDeparture } from './drop-in-comparison.ts';
import type { Column, StoreKind } from './drop-in-world.ts';

/** A place where our servers answer otherwise on purpose. */
export interface DropInDeparture extends StepDeparture {
  /** Where it is about one kind of store. */
  readonly store?: StoreKind;
}

/** Steps by what they begin with. */
function each(prefixes: readonly string[], titles: readonly string[]): readonly string[] {
  return prefixes.flatMap((prefix) => titles.map((title) => `${prefix}: ${title}`));
}

const EVERY = ['HTTP read', 'SDK read', 'gRPC read'];
const RAW = ['HTTP read', 'gRPC read'];

const INVALID = refused(400, '', 'INVALID_ARGUMENT');

/** Where Redis held nothing, NOT_FOUND; outputs of on-demand views have no time either, and are left alone. */
const missing: DropInDeparture['outcome'] = (step, { title, feast, expected }) => {
  const columns = feast.columns ?? [];
  // The SDK throws the times away.
  const dated = step.startsWith('SDK') ? expected(`HTTP read: ${title}`).columns! : columns;
  const timesOf = new Map(dated.map(([name, , , times]) => [name, times]));
  const marked = columns.map((column) =>
    /scaled|total|label/.test(column[0]) ? column : markMissing(column, timesOf.get(column[0])),
  );
  return { ...feast, columns: marked };
};

/** What the SDK reads, with the times that HTTP gives. */
const asTheSdk: DropInDeparture['outcome'] = (_step, { title, expected }) => {
  const http = new Map(
    expected(`HTTP read: ${title}`).columns!.map((column) => [column[0], column]),
  );
  const columns = expected(`SDK read: ${title}`).columns!.map(
    ([name, values, statuses]): Column => [
      name,
      values,
      statuses,
      http.get(name)![3].map((time) => Date.parse(String(time)) / 1000),
    ],
  );
  return { columns, more: {} };
};

/** The answer for driver 1 alone, and a row of nobody. */
const oneAndNobody: DropInDeparture['outcome'] = (step, { expected }) => {
  const [protocol] = step.split(':');
  const nothing = protocol === 'HTTP read' ? null : '';
  const columns = expected(`${protocol}: one feature`).columns!.map(
    ([name, values, statuses, times]): Column => [
      name,
      [...values, nothing],
      [...statuses, name === 'trips' ? 'NOT_FOUND' : 'PRESENT'],
      times.length === 0 ? [] : [...times, protocol === 'HTTP read' ? '1970-01-01T00:00:00Z' : 0],
    ],
  );
  return { columns, more: {} };
};

/** What is computed, and what is stored, as they are answered alone. */
const besideJson: DropInDeparture['outcome'] = (step, { expected }) => {
  const [protocol] = step.split(':');
  const notes = expected(`${protocol}: JSON`).columns!.filter(([name]) => name === 'note');
  const computed = expected(`${protocol}: computed of two`);
  return { ...computed, columns: [...computed.columns!, ...notes] };
};

export const DROP_IN_DEPARTURES: readonly DropInDeparture[] = [
  {
    number: '12.14',
    about: 'writes that cannot be carried out',
    steps: [
      ...each(
        ['HTTP push'],
        [
          'words for a number',
          'an integer beyond 64 bits',
          'an integer beyond 32 bits',
          'without a feature',
          'without the key',
          'without event timestamps',
          'without created timestamps',
          'columns of different lengths',
          'two views, one of which cannot take it',
          'to nowhere',
        ],
      ),
      ...each(['HTTP write'], ['a key beyond 32 bits', 'half of a key']),
      ...each(
        ['HTTP materialize'],
        ['backwards', 'no start', 'no window', 'words for a window', 'labels', 'a computed view'],
      ),
      'gRPC push: without a feature',
      'gRPC push: to nowhere',
      'gRPC write: words for a number',
    ],
    outcome: INVALID,
  },
  {
    number: '12.14',
    about: 'writes to unknown views: the error of reads',
    steps: ['HTTP write: an unknown view', 'gRPC write: an unknown view'],
    outcome: refused(404, 'FeatureViewNotFoundException', 'NOT_FOUND'),
  },
  {
    number: '12.46',
    about: 'pushes to the offline store',
    steps: ['HTTP push: to the offline store'],
    outcome: refused(422, '', 'INVALID_ARGUMENT'),
  },
  {
    number: '14',
    about: 'values that Feast stores as something else',
    steps: ['HTTP push: a list for a number'],
    outcome: INVALID,
  },
  {
    number: '14',
    about: 'text for numbers',
    steps: ['HTTP push: a float as text'],
    outcome: () => ({ done: 200, body: '' }),
  },
  {
    number: '14',
    about: 'field mapping: the source’s name as well',
    steps: ['HTTP write: a mapped column'],
    outcome: () => ({ done: 200, body: null }),
  },
  {
    number: '59',
    about:
      'writes to label views by name, which Feast’s route finds no more than views that do not exist',
    steps: ['HTTP write: labels'],
    outcome: () => ({ done: 200, body: null }),
  },
  {
    number: '58',
    about: 'nulls in lists of integers, which fail in Feast when they come as JSON',
    steps: ['HTTP push: nulls in lists'],
    outcome: () => ({ done: 200, body: '' }),
  },
  {
    number: '12.17',
    about: 'some join keys of a view missing',
    steps: each(EVERY, ['half of a key']),
    outcome: INVALID,
  },
  {
    number: '12.17',
    about: 'no rows',
    steps: each(RAW, ['no rows']),
    outcome: () => ({
      columns: [
        ['driver_id', [], [], []],
        ['trips', [], [], []],
      ],
      more: {},
    }),
  },
  {
    number: '12.4',
    about: 'entity values that cannot be converted, or not without loss',
    steps: each(EVERY, [
      'a key beyond 32 bits',
      'words for an integer',
      'a list for an integer',
      'a fraction for an integer',
      'a truth for an integer',
    ]),
    outcome: INVALID,
  },
  {
    number: '12.13',
    about: 'feature name collisions',
    steps: each(EVERY, [
      'one view twice, short names',
      'a feature twice',
      'two features of one name',
    ]),
    outcome: refused(400, 'FeatureNameCollisionError', 'INVALID_ARGUMENT'),
  },
  {
    number: '12.16',
    about: 'unknown features',
    steps: each(EVERY, [
      'an unknown feature',
      'an unknown feature beside others',
      'an unknown output',
    ]),
    outcome: refused(404, 'FeastObjectNotFoundException', 'NOT_FOUND'),
  },
  {
    number: '12.14',
    about: 'bad references, no features, join keys missing altogether',
    steps: each(EVERY, [
      'no colon',
      'no features',
      'an empty reference',
      'no key',
      'computed before a mapped view, by its column',
    ]),
    outcome: INVALID,
  },
  {
    number: '12.14',
    about: 'no entities, and columns of different lengths',
    steps: each(RAW, ['no entities', 'columns of different lengths']),
    outcome: INVALID,
  },
  {
    number: '12.19',
    about: 'null entity values',
    steps: each(EVERY, ['a null key']),
    outcome: oneAndNobody,
  },
  {
    number: '57',
    about: 'views asked with the column that stands for their join key and with the join key',
    steps: each(EVERY, ['computed of a mapped view by both keys']),
    outcome: INVALID,
  },
  {
    number: '70',
    about: 'JSON beside something computed, a list for one entity and nothing for another',
    store: 'redis',
    steps: each(['HTTP read', 'SDK read'], ['computed beside JSON']),
    outcome: besideJson,
  },
  {
    number: '12.40',
    about: 'on-demand views of mode python',
    steps: each(EVERY, ['computed in Python']),
    outcome: refused(501, '', 'UNIMPLEMENTED'),
  },
  {
    number: '60',
    about: 'vector search',
    steps: [
      'HTTP: POST /search',
      'HTTP: POST /retrieve-online-documents',
      'HTTP: GET /v1/vector_stores',
    ],
    outcome: refused(501, '', 'UNIMPLEMENTED'),
  },
  {
    number: '62',
    about: 'HEAD for routes that take GET',
    steps: ['HTTP: HEAD for health'],
    outcome: (_step, { expected }) => expected('HTTP: health'),
  },
  {
    number: '12.14',
    about: 'views and services that do not exist, over gRPC',
    steps: each(
      ['gRPC read'],
      [
        'an alias without a service',
        'an unknown service',
        'an unknown view',
        'nothing before the colon',
      ],
    ),
    outcome: refused(404, '', 'NOT_FOUND'),
  },
  {
    number: '12.14',
    about: 'missing request data, over gRPC',
    steps: each(
      ['gRPC read'],
      ['computed without request data', 'computed without half of the request data'],
    ),
    outcome: INVALID,
  },
  {
    number: '12.5',
    about: 'entities that Redis does not hold',
    store: 'redis',
    steps: [
      ...each(EVERY, [
        'every type',
        'what was pushed oddly',
        'an entity that is not there',
        'two entities',
        'a key of two parts',
        'what was never materialized',
        'a service',
        'one view twice',
        'JSON',
      ]),
      ...each(
        ['HTTP read', 'SDK read'],
        ['a number for a text', 'computed beside stored, full names', 'computed in a service'],
      ),
      'change: read',
      'change: read by gRPC',
    ],
    outcome: missing,
  },
  {
    number: '12.18',
    about: 'unknown columns over gRPC',
    steps: ['gRPC read: a column too many'],
    outcome: asTheSdk,
  },
  {
    number: '12.20',
    about: 'request data over gRPC, beside JSON, of which the SDK makes text',
    steps: ['gRPC read: computed beside JSON'],
    outcome: besideJson,
  },
  {
    number: '12.20',
    about: 'request data over gRPC',
    steps: each(
      ['gRPC read'],
      [
        'computed',
        'computed beside stored, full names',
        'computed in a service',
        'computed of an entity that is not there',
        'computed of two',
        'computed of a mapped view',
        'computed of a mapped view by its own key',
        'computed before a mapped view',
      ],
    ),
    outcome: asTheSdk,
  },
  {
    number: '12.4',
    about: 'entity values of another type than declared, over gRPC',
    steps: each(
      ['gRPC read'],
      ['digits for an integer', 'a whole float for an integer', 'a number for a text'],
    ),
    outcome: asTheSdk,
  },
  {
    number: '12.4',
    about: 'integers of 64 bits for keys of 32, over gRPC: the declared type is answered as well',
    steps: ['gRPC read: a key of 32 bits'],
    outcome: (step, context) => {
      const { columns = [], more } = asTheSdk(step, context);
      return {
        columns: columns.map(([name, values, statuses, times]) => {
          if (name !== 'small_id') return [name, values, statuses, times];
          const declared = values.map((value) => String(value).replace('int64_val', 'int32_val'));
          return [name, declared, statuses, times];
        }),
        more,
      };
    },
  },
  {
    number: '14 (Python gRPC server)',
    about: 'entity columns over gRPC that the SDK and HTTP accept',
    steps: each(
      ['gRPC read'],
      [
        'what belongs to nobody',
        'a column of another view',
        'the name of the entity',
        'a mapped view in halves, by its own key',
      ],
    ),
    outcome: asTheSdk,
  },
];

/** Where our servers leave something else than Feast's. */
export const LEFT_DEPARTURES = [
  {
    number: '12.25',
    about: 'views without entities, which Feast writes under a key that nobody reads',
  },
  { number: '61', about: 'intervals that run backwards' },
  { number: '65', about: 'join keys beside what is computed' },
  { number: '66', about: 'entities with rows beyond the TTL of one source' },
] as const;

/** Decision 12.25. */
export const UNREAD_KEYS: Readonly<Record<StoreKind, string>> = {
  redis: Buffer.concat([Buffer.alloc(4), Buffer.from('dropin')]).toString('base64'),
  sqlite: 'world 00000000 rate',
};
