import type { GoldenAnswer } from '../support/golden-answer.ts';
import { sdkAnswer } from '../support/golden-vectors.ts';
import type { Departure, GoldenCase } from './golden-case.ts';

/**
 * Where Feast's Python gRPC server does worse than its SDK and its HTTP server. Ours then has to give the SDK's answer,
 * which other departures may go on to change.
 */
export const GRPC_DEPARTURES: readonly Departure[] = [
  {
    number: '12.20',
    point: 'request data over gRPC',
    feast: 'fails as UNKNOWN when request data stands in `entities`, and ignores `request_context`',
    ours: 'accepted in `entities` and in `request_context`',
    why: 'clients of the Go and Java servers send `request_context`',
    apply: onlyGrpc((answer, golden) =>
      hasForeignColumn(answer) &&
      columnsAre(golden, (name) => golden.registry.requestFields.has(name))
        ? sdkAnswer(golden.vector)
        : undefined,
    ),
  },
  {
    number: '12.18',
    point: 'unknown columns over gRPC',
    feast: 'fails as UNKNOWN when a column is no entity of the registry',
    ours: 'ignored, as Feast does over HTTP',
    why: 'callers send one set of entities for several requests',
    apply: onlyGrpc((answer, golden) =>
      hasForeignColumn(answer) && columnsAre(golden, (name) => !isKnown(golden, name))
        ? sdkAnswer(golden.vector)
        : undefined,
    ),
  },
  {
    number: '14 (Python gRPC server)',
    point: 'entity columns over gRPC',
    feast:
      'fails as UNKNOWN for entity names in place of join keys, join keys of other views, the own join key of an aliased view',
    ours: 'the answer of the SDK',
    why: 'the SDK and HTTP accept them; only the gRPC server trips over its own conversion',
    apply: onlyGrpc((answer, { vector }) =>
      hasForeignColumn(answer) ? sdkAnswer(vector) : undefined,
    ),
  },
  {
    number: '14 (Python gRPC server)',
    point: 'UNIX_TIMESTAMP and BYTES keys over gRPC',
    feast: 'fails as UNKNOWN for every key of these types',
    ours: 'the answer of the SDK',
    why: 'both types can be in an entity key',
    apply: onlyGrpc((answer, { vector }) =>
      answer.kind === 'refused' && UNREADABLE_TYPE.test(answer.text)
        ? sdkAnswer(vector)
        : undefined,
    ),
  },
  {
    number: '12.36',
    point: 'feature view metadata over gRPC',
    feast: '`include_feature_view_version_metadata` does nothing',
    ours: '`metadata.feature_view_metadata` is filled, as the SDK does',
    why: 'the field is in the contract, and HTTP has it',
    apply: onlyGrpc((answer, { vector, asked }) => {
      const sdk = sdkAnswer(vector);
      if (!asked.includeVersions) return undefined;
      if (answer.kind !== 'features' || sdk?.kind !== 'features') return undefined;
      return { ...answer, viewMetadata: sdk.viewMetadata };
    }),
  },
];

const UNREADABLE_TYPE =
  /int\(\) argument must be .* not 'Value'|Type `<class 'feast\.types\.Value_pb2\.Value'>` not in/;

function onlyGrpc(
  apply: (answer: GoldenAnswer, golden: GoldenCase) => GoldenAnswer | undefined,
): Departure['apply'] {
  return (answer, golden) => (golden.protocol === 'JSON' ? undefined : apply(answer, golden));
}

function hasForeignColumn(answer: GoldenAnswer): boolean {
  return (
    answer.kind === 'refused' &&
    answer.text.includes('Value with native type value cannot be converted into Feast value type')
  );
}

function columnsAre(golden: GoldenCase, isSo: (name: string) => boolean): boolean {
  return Object.keys(golden.vector.request.entities ?? {}).some(isSo);
}

/** Whether a column is an entity, a join key, or the alias of one in the requested projections. */
function isKnown({ registry, outputs }: GoldenCase, name: string): boolean {
  if (registry.joinKeyByEntityName.has(name)) return true;
  if ([...registry.joinKeyByEntityName.values()].includes(name)) return true;
  return (outputs ?? []).some(({ joinKeyMap }) => Object.values(joinKeyMap).includes(name));
}
