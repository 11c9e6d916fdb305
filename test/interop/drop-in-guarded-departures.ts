import { markMissing, refused, type StepDeparture } from './drop-in-comparison.ts';
import type { Outcome, StoreKind } from './drop-in-world.ts';

/** Callers of drop-in-permissions.test.ts whose tokens are good. */
export const KNOWN_CALLERS = [
  'reader',
  'writer',
  'nobody',
  'both',
  'auditor',
  'owner',
  'of the client',
  'of another client',
  'of a group',
  'of a group that is a text',
  'a server',
] as const;

/** Callers who have no token, or none that is good. */
export const STRANGERS = [
  'unsigned',
  'no token',
  'no bearer',
  'gibberish',
  'nothing after the scheme',
  'expired',
  'not valid yet',
  'of another audience',
  'of another issuer',
  'forged',
  'of a cluster',
] as const;

export type CallerName = (typeof KNOWN_CALLERS)[number] | (typeof STRANGERS)[number];

const EVERYBODY: readonly CallerName[] = [...KNOWN_CALLERS, ...STRANGERS];
/** Who may do everything. */
const MASTERS = ['owner', 'a server'] as const;
const READERS = ['reader', 'both', 'of the client', ...MASTERS] as const;
const WRITERS = ['writer', 'both', ...MASTERS] as const;

function each(callers: readonly CallerName[], titles: readonly string[]): readonly string[] {
  return callers.flatMap((caller) => titles.map((title) => `${caller}: ${title}`));
}

/** What is asked over gRPC, as drop_in_permissions.py names it. */
const GRPC_READS = [
  'driver_stats',
  'secrets',
  'driver_mixed',
  'mixed_secrets',
  'of_group',
  'of_namespace',
  'of_either',
  'tagged',
  'driver_batch',
  'secret_batch',
  'computed',
  'revealing',
  'kept',
  'labels',
  'one view and another',
  'a view and what is computed',
  'driver_service',
  'driver_secrets',
  'other_service',
  'an unknown view',
  'an unknown service',
  'an unknown feature',
  'an unknown feature of secrets',
  'no key of secrets',
  'no colon',
];

const REFUSALS: ReadonlyMap<unknown, string> = new Map([
  [401, 'UNAUTHENTICATED'],
  [403, 'PERMISSION_DENIED'],
]);

/** What Feast's HTTP server says to the same caller counts over gRPC as well. */
const asOverHttp: StepDeparture['outcome'] = (step, { feast, expected }): Outcome => {
  const overHttp = expected(
    step
      .replace('gRPC write secrets', 'HTTP write secrets')
      .replace('gRPC write driver_stats', 'HTTP write')
      .replace('gRPC', 'HTTP'),
  );
  const code = REFUSALS.get(overHttp.failed);
  return code === undefined ? feast : { failed: code, class: '' };
};

/** The departures in the order in which they are applied. */
export function guardedDeparturesOn(kind: StoreKind): readonly StepDeparture[] {
  return kind === 'redis' ? [...GUARDED_DEPARTURES, MISSING_IN_REDIS] : GUARDED_DEPARTURES;
}

const GUARDED_DEPARTURES: readonly StepDeparture[] = [
  {
    number: '63',
    about: 'bodies that are no JSON, from callers without a good token',
    steps: each(STRANGERS, ['HTTP no JSON']),
    outcome: (step, { expected }) => expected(step.replace('no JSON', 'push')),
  },
  {
    number: '64',
    about: 'permissions of label views that a push source feeds',
    steps: each(
      KNOWN_CALLERS.filter((caller) => !WRITERS.some((writer) => writer === caller)),
      ['HTTP push labels'],
    ),
    outcome: refused(403, 'FeastPermissionError', ''),
  },
  {
    number: '12.14',
    about: 'bad references, missing keys, writes that cannot be carried out',
    steps: [
      ...each(KNOWN_CALLERS, ['HTTP read no colon', 'gRPC read no colon']),
      ...each(MASTERS, ['HTTP read no key of secrets', 'gRPC read no key of secrets']),
      ...each(WRITERS, ['HTTP push words for numbers']),
    ],
    outcome: refused(400, '', 'INVALID_ARGUMENT'),
  },
  {
    number: '12.14',
    about: 'writes to unknown views: the error of reads',
    steps: each(KNOWN_CALLERS, ['HTTP write to an unknown view']),
    outcome: refused(404, 'FeatureViewNotFoundException', 'NOT_FOUND'),
  },
  {
    number: '12.14',
    about: 'views and services that do not exist, over gRPC',
    steps: each(KNOWN_CALLERS, ['gRPC read an unknown view', 'gRPC read an unknown service']),
    outcome: refused(404, '', 'NOT_FOUND'),
  },
  {
    number: '12.16',
    about: 'unknown features',
    steps: [
      ...each(READERS, ['HTTP read an unknown feature', 'gRPC read an unknown feature']),
      ...each(MASTERS, [
        'HTTP read an unknown feature of secrets',
        'gRPC read an unknown feature of secrets',
      ]),
    ],
    outcome: refused(404, 'FeastObjectNotFoundException', 'NOT_FOUND'),
  },
  {
    number: '12.50',
    about: 'permissions over gRPC, where Feast’s server asks nobody who they are',
    steps: each(EVERYBODY, [
      ...GRPC_READS.map((name) => `gRPC read ${name}`),
      'gRPC write driver_stats',
      'gRPC write secrets',
    ]),
    isGeneral: true,
    outcome: asOverHttp,
  },
];

const MISSING_IN_REDIS: StepDeparture = {
  number: '12.5',
  about: 'entities that Redis does not hold',
  steps: each(
    KNOWN_CALLERS,
    ['driver_batch', 'secret_batch', 'labels'].flatMap((name) => [
      `HTTP read ${name}`,
      `gRPC read ${name}`,
    ]),
  ),
  isGeneral: true,
  outcome: (_step, { feast }) =>
    feast.columns === undefined
      ? feast
      : { ...feast, columns: feast.columns.map((column) => markMissing(column)) },
};
