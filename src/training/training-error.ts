import { isMeantToBe } from '../did-you-mean.ts';
import { SideboardError } from '../errors.ts';

/** Entity rows that features cannot be joined to; `detail` names the file and the column, never a value. */
export function invalidEntityRows(detail: string, cause?: unknown): SideboardError {
  return new SideboardError('INVALID_REQUEST', `entity rows: ${detail}`, { cause });
}

/** @param given the columns that the entity rows have. */
export function missingJoinKeyColumns(
  missing: readonly string[],
  given: readonly string[],
): SideboardError {
  return new SideboardError(
    'MISSING_JOIN_KEY',
    `entity rows: no column ${missing.join(', ')}; they have ${given.join(', ')}${isMeantToBe(given, missing)}`,
  );
}

/** A feature view whose rows cannot be read here. */
export function notJoinable(viewName: string, reason: string): SideboardError {
  return new SideboardError(
    'UNSUPPORTED_OPERATION',
    `feature view ${viewName} ${reason}; join it with Feast: FeatureStore.get_historical_features`,
  );
}

/** An argument of a join that cannot be meant. */
export function invalidJoin(detail: string): SideboardError {
  return new SideboardError('INVALID_REQUEST', detail);
}
