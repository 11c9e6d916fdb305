/**
 * The errors that only retrieval raises; the only place where their messages are written. None of them holds a feature
 * value or an entity value.
 */
import { didYouMean, isMeantToBe } from '../did-you-mean.ts';
import { SideboardError } from '../errors.ts';

export function invalidRequest(detail: string): SideboardError {
  return new SideboardError('INVALID_REQUEST', `invalid request: ${detail}`);
}

/** @param limit the setting that stands in the way, as the operator writes it. */
export function limitExceeded(
  what: string,
  asked: number,
  allowed: number,
  limit: string,
): SideboardError {
  return new SideboardError(
    'LIMIT_EXCEEDED',
    `the request asks for ${asked} ${what}, ${asked - allowed} more than the ${allowed} allowed (setting ${limit})`,
  );
}

export function tooManyColumns(allowed: number): SideboardError {
  return new SideboardError(
    'LIMIT_EXCEEDED',
    `the request has more than ${allowed} columns of entities and request context: send one per name, with all rows in it`,
  );
}

export function tooManyNestedValues(allowed: number): SideboardError {
  return new SideboardError(
    'LIMIT_EXCEEDED',
    `the request has more than ${allowed} values inside of lists and objects: send fewer rows at once`,
  );
}

/** @param message `request` or `response`. */
export function messageTooLarge(
  message: string,
  bytes: number,
  allowed: number,
  limit: string,
): SideboardError {
  return new SideboardError(
    'MESSAGE_TOO_LARGE',
    `the ${message} has ${bytes} bytes, ${bytes - allowed} more than the ${allowed} allowed (setting ${limit})`,
  );
}

export function noFeaturesRequested(): SideboardError {
  return new SideboardError(
    'NO_FEATURES_REQUESTED',
    'No features specified for retrieval: name feature references or a feature service that has some',
  );
}

export function invalidFeatureReference(reference: string): SideboardError {
  return new SideboardError(
    'INVALID_FEATURE_REFERENCE',
    `Invalid feature reference '${reference}': expected <feature view>:<feature> or <feature view>@v<number>:<feature>`,
  );
}

/** @param known features of the view. */
export function featureNotFound(
  feature: string,
  view: string,
  known: Iterable<string>,
): SideboardError {
  return new SideboardError(
    'FEATURE_NOT_FOUND',
    `Feature ${feature} does not exist in feature view ${view}${didYouMean(feature, known)}`,
  );
}

/** How many versions a message lists. */
const SHOWN_VERSIONS = 10;

/** @param known versions of the view. */
export function featureViewVersionNotFound(
  { view, version, project }: { view: string; version: number; project: string },
  known: readonly number[],
): SideboardError {
  const newest = known.toSorted((a, b) => b - a).slice(0, SHOWN_VERSIONS);
  const shown = newest.map((each) => `v${each}`).join(', ');
  return new SideboardError(
    'FEATURE_VIEW_VERSION_NOT_FOUND',
    `Version v${version} of feature view ${view} does not exist in project ${project}; ${known.length > SHOWN_VERSIONS ? 'its newest are' : 'there is'} ${shown}`,
  );
}

export function versionedReadUnsupported(view: string, version: number): SideboardError {
  return new SideboardError(
    'VERSIONED_READ_UNSUPPORTED',
    `Version v${version} of feature view ${view} cannot be read: set registry.enable_online_feature_view_versioning in feature_store.yaml, and materialize again`,
  );
}

/** @param names output names that occur more than once, in order of their first occurrence. */
export function featureNameCollision(
  names: readonly string[],
  fullFeatureNames: boolean,
): SideboardError {
  const remedy = fullFeatureNames
    ? 'ask for each feature once, or give the projections different aliases'
    : 'ask with full_feature_names, or for each name once';
  return new SideboardError(
    'FEATURE_NAME_COLLISION',
    `Several requested features are named ${names.join(', ')}: ${remedy}`,
  );
}

export function featureViewDisabled(view: string): SideboardError {
  return new SideboardError(
    'FEATURE_VIEW_DISABLED',
    `Feature view ${view} is disabled and serves no features: enable it in the registry`,
  );
}

export function featureViewNotServable(view: string, state: string): SideboardError {
  return new SideboardError(
    'FEATURE_VIEW_NOT_SERVABLE',
    `Feature view ${view} is in state ${state.toUpperCase()} and serves no features: materialize it first`,
  );
}

export function missingJoinKeys(
  missing: readonly string[],
  given: readonly string[],
): SideboardError {
  const have = given.length === 0 ? 'no entity column at all' : `only ${given.join(', ')}`;
  return new SideboardError(
    'MISSING_JOIN_KEY',
    `Missing join key values for ${missing.join(', ')}: the request has ${have}${isMeantToBe(given, missing)}`,
  );
}

export function ambiguousJoinKey(
  view: string,
  joinKey: string,
  entityColumn: string,
): SideboardError {
  return new SideboardError(
    'AMBIGUOUS_JOIN_KEY',
    `Feature view ${view} takes its join key ${joinKey} from entity column ${entityColumn}, but the request has both: leave ${joinKey} out`,
  );
}

/** @param lengths `name: rows` of every column. */
export function entityRowLengthMismatch(lengths: readonly string[]): SideboardError {
  return new SideboardError(
    'ENTITY_ROW_LENGTH_MISMATCH',
    `All columns of a request must have the same number of rows, but they have ${lengths.join(', ')}`,
  );
}

export function unsupportedJoinKeyType(joinKey: string, typeName: string): SideboardError {
  return new SideboardError(
    'UNSUPPORTED_JOIN_KEY_TYPE',
    `Join key ${joinKey} is of type ${typeName}; entity keys hold STRING, BYTES, INT32, INT64 and UNIX_TIMESTAMP`,
  );
}

/**
 * @param row counted from 0.
 * @param convertsLossy whether a setting would have it converted all the same.
 */
export function invalidEntityValue(
  { name, row }: { readonly name: string; readonly row: number },
  from: string,
  to: string,
  convertsLossy: boolean,
): SideboardError {
  const remedy = convertsLossy
    ? ', and becomes one only if something is lost (setting lossy_entity_coercion allows it)'
    : '';
  return new SideboardError(
    'INVALID_ENTITY_VALUE',
    `Entity column ${name}, row ${row}: this ${from} is no ${to}${remedy}`,
  );
}

/** @param row counted from 0. */
export function entityValueOutOfRange(
  { name, row }: { readonly name: string; readonly row: number },
  typeName: string,
): SideboardError {
  return new SideboardError(
    'INVALID_ENTITY_VALUE',
    `Entity column ${name}, row ${row}: the number is out of the range of ${typeName}, which its join key is declared as`,
  );
}

export function requestDataNotFound(names: readonly string[], view: string): SideboardError {
  return new SideboardError(
    'REQUEST_DATA_NOT_FOUND',
    `On-demand feature view ${view} needs request data ${names.join(', ')}: send it in entities or in request_context`,
  );
}

/** @param why or what would help, as a clause. */
export function onDemandFeatureViewUnsupported(
  view: string,
  mode: string,
  why: string,
): SideboardError {
  return new SideboardError(
    'ON_DEMAND_FEATURE_VIEW_UNSUPPORTED',
    `On-demand feature view ${view} (mode ${mode}) cannot be computed here: ${why}; or store its outputs (write_to_online_store), or leave it out`,
  );
}

/** @param what the feature, or `event timestamp`. @param keyHash murmur3 of the store's key, so that no entity value shows. */
export function corruptStoredValue(view: string, what: string, keyHash: number): SideboardError {
  const hash = keyHash.toString(16).padStart(8, '0');
  return new SideboardError(
    'CORRUPT_STORED_VALUE',
    `What the online store holds for ${what} of feature view ${view} is damaged (entity key hash ${hash}): write the row again`,
  );
}
