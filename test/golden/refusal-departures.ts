import type { GoldenAnswer } from '../support/golden-answer.ts';
import { sdkAnswer } from '../support/golden-vectors.ts';
import { FEATURE_NOT_FOUND, INVALID, refusal } from './golden-case.ts';
import type { Departure, ExpectedError, GoldenCase } from './golden-case.ts';

/** Errors that both give, under other codes. Feast's cause is recognised by its recorded text. */
export const REFUSAL_DEPARTURES: readonly Departure[] = [
  recoded({
    number: '12.13',
    point: 'feature name collisions',
    text: /Duplicate features named/,
    error: {
      ...INVALID,
      feastClass: 'FeatureNameCollisionError',
      says: /Several requested features are named /,
    },
    feast: 'HTTP 500, gRPC UNKNOWN',
    why: "Feast's own client repeats a request that got a 500 three times and loses the text",
  }),
  recoded({
    number: '12.16',
    point: 'unknown features',
    text: /Feature .* not found in projection/,
    error: { ...FEATURE_NOT_FOUND, says: /Feature \S* does not exist in feature view / },
    feast: 'HTTP 500, gRPC UNKNOWN',
    why: 'what does not exist is not found, as with views and services',
  }),
  recoded({
    number: '14 (empty feature service)',
    point: 'an empty `feature_service` over gRPC',
    text: /Feature service {2}does not exist in project/,
    error: { ...INVALID, says: /No features specified for retrieval/ },
    feast: 'gRPC INTERNAL; over HTTP it counts as none',
    why: 'no name names nothing, on every protocol',
  }),
  recoded({
    number: '12.14',
    point: 'unknown services over gRPC',
    text: /Feature service .* does not exist in project/,
    error: {
      grpc: 'NOT_FOUND',
      http: 404,
      feastClass: 'FeatureServiceNotFoundException',
      says: /Feature service .* does not exist in project /,
    },
    feast: 'gRPC INTERNAL',
    why: 'what does not exist is not found',
  }),
  recoded({
    number: '12.14',
    point: 'unknown views over gRPC',
    text: /Feature view .* does not exist in project/,
    error: {
      grpc: 'NOT_FOUND',
      http: 404,
      feastClass: 'FeatureViewNotFoundException',
      says: /Feature view .* does not exist in project /,
    },
    feast: 'gRPC UNKNOWN',
    why: 'what does not exist is not found',
  }),
  recoded({
    number: '12.14',
    point: 'unknown versions of views over gRPC',
    text: /Version v\d+ of feature view .* does not exist in project/,
    error: {
      grpc: 'NOT_FOUND',
      http: 404,
      feastClass: 'FeatureViewVersionNotFound',
      says: /Version v\d+ of feature view \S+ does not exist in project /,
    },
    feast: 'gRPC UNKNOWN',
    why: 'what does not exist is not found',
  }),
  recoded({
    number: '12.14',
    point: 'bad references',
    text: /Invalid feature reference/,
    error: { ...INVALID, says: /Invalid feature reference .*expected <feature view>:<feature>/ },
    feast: 'HTTP 500, gRPC UNKNOWN',
    why: "a caller's mistake is a 4xx",
  }),
  recoded({
    number: '12.14',
    point: 'no features',
    text: /No features specified for retrieval/,
    error: { ...INVALID, says: /No features specified for retrieval/ },
    feast: 'HTTP 500, gRPC UNKNOWN',
    why: "a caller's mistake is a 4xx",
  }),
  recoded({
    number: '12.14',
    point: 'columns of different lengths',
    text: /All entity rows must have the same columns/,
    error: {
      ...INVALID,
      says: /All columns of a request must have the same number of rows, but they have /,
    },
    feast: 'HTTP 500, gRPC UNKNOWN',
    why: "a caller's mistake is a 4xx",
  }),
  recoded({
    number: '12.14',
    point: 'disabled views, and views that were never materialized',
    text: /is disabled and cannot serve|is in state 'GENERATED'/,
    error: {
      grpc: 'FAILED_PRECONDITION',
      http: 400,
      says: /is disabled and serves no features|is in state GENERATED and serves no features/,
    },
    feast: 'HTTP 500, gRPC UNKNOWN',
    why: 'trying again does not help; somebody has to change the registry',
  }),
  recoded({
    number: '12.14',
    point: 'pinned versions where versioning is off',
    text: /Version-qualified ref .* not supported/,
    error: {
      grpc: 'FAILED_PRECONDITION',
      http: 400,
      feastClass: 'VersionedOnlineReadNotSupported',
      says: /enable_online_feature_view_versioning/,
    },
    feast: 'HTTP 500, gRPC UNKNOWN',
    why: 'trying again does not help; somebody has to change the configuration',
  }),
  recoded({
    number: '12.14',
    point: 'missing request data over gRPC',
    text: /Required request data source features/,
    error: {
      grpc: 'INVALID_ARGUMENT',
      http: 404,
      feastClass: 'RequestDataNotFoundInEntityRowsException',
      says: /needs request data .*: send it in entities or in request_context/,
    },
    feast: 'gRPC UNKNOWN',
    why: "a caller's mistake is INVALID_ARGUMENT",
  }),
  recoded({
    number: '12.3',
    point: 'join keys of types that cannot be in an entity key',
    text: /Value type not supported for feast feature store/,
    error: { ...INVALID, says: /entity keys hold STRING, BYTES, INT32, INT64 and UNIX_TIMESTAMP/ },
    feast: 'HTTP 500, gRPC UNKNOWN',
    why: "a caller's mistake is a 4xx",
  }),
  recoded({
    number: '12.19',
    point: 'NaN as entity value',
    text: /attribute name must be string, not 'NoneType'/,
    error: { ...INVALID, says: /Entity column \S+, row \d+: this DOUBLE is no / },
    feast: 'HTTP 500',
    why: 'it is a number, but no identifier; only null is none',
  }),
  recoded({
    number: '14 (damaged rows)',
    point: 'damaged rows',
    text: /Error parsing message|'utf-8' codec can't decode|WRONGTYPE/,
    error: {
      grpc: 'DATA_LOSS',
      http: 500,
      says: /(?:feature \S+|the event timestamp) of feature view \S+ is damaged \(entity key hash [0-9a-f]{8}\)|key hash [0-9a-f]{8}: its Redis key does not hold a hash/,
    },
    feast: 'HTTP 500, gRPC UNKNOWN with the text of a parser',
    why: 'whoever has to mend the row hears which one it is',
  }),
  recoded({
    number: '12.14',
    point: 'online stores that cannot answer',
    text: /no such table/,
    error: { grpc: 'UNAVAILABLE', http: 503, says: /has no table \S+: create it with/ },
    feast: 'HTTP 500, gRPC UNKNOWN',
    why: "it is no mistake of the caller's, and may be over soon",
  }),
];

interface Recoding {
  readonly number: string;
  readonly point: string;
  /** Of Feast's error, from whichever of its servers. */
  readonly text: RegExp;
  readonly error: ExpectedError;
  readonly feast: string;
  readonly why: string;
}

function recoded({ number, point, text, error, feast, why }: Recoding): Departure {
  const ours = `HTTP ${error.http}, gRPC ${error.grpc}`;
  return {
    number,
    point,
    feast,
    ours,
    why,
    apply: (answer, golden) =>
      text.test(causeOf(answer, golden)) ? refusal(golden.protocol, error) : undefined,
  };
}

/**
 * The text of the SDK where it failed too: the gRPC server may have failed earlier, for a reason of its own. Empty where
 * the answer is not Feast's any more.
 */
function causeOf(answer: GoldenAnswer, { vector }: GoldenCase): string {
  if (answer.kind !== 'refused' || answer.says !== undefined) return '';
  const sdk = sdkAnswer(vector);
  return sdk?.kind === 'refused' ? sdk.text : answer.text;
}
