import { SideboardError } from '../errors.ts';
import { valueTypeName } from '../feast-encoding/value-type.ts';

/** The function of an on-demand view failed, or gave what its view does not declare. No value shows in `detail`. */
export function transformationFailed(
  viewName: string,
  detail: string,
  cause?: unknown,
): SideboardError {
  return new SideboardError(
    'TRANSFORMATION_FAILED',
    `On-demand feature view ${viewName}: ${detail}`,
    { cause },
  );
}

export function transformationUnavailable(endpoint: string, cause?: unknown): SideboardError {
  return new SideboardError(
    'TRANSFORMATION_UNAVAILABLE',
    `the transformation server at ${endpoint} cannot be reached: start it with "feast serve_transformations", or correct feature_server.transformation_service_endpoint`,
    { cause },
  );
}

/** A function in TypeScript that is not there to be run. */
export function functionUnavailable(viewName: string, why: string): SideboardError {
  return new SideboardError(
    'TRANSFORMATION_UNAVAILABLE',
    `On-demand feature view ${viewName}: ${why}`,
  );
}

/** Feast's server takes messages of 4 MiB at most, and we answers of `max_response_bytes`. */
export function transformationTooLarge(viewName: string, cause: unknown): SideboardError {
  return new SideboardError(
    'MESSAGE_TOO_LARGE',
    `On-demand feature view ${viewName}: its inputs or its outputs are larger than the transformation server or this one takes: ask for fewer rows at a time`,
    { cause },
  );
}

/** Request data, or a stored feature, that is none of its declared type. @param row counted from 0. */
export function invalidInput(
  viewName: string,
  name: string,
  row: number,
  valueType: number,
): SideboardError {
  return new SideboardError(
    'INVALID_ENTITY_VALUE',
    `On-demand feature view ${viewName}: the value of ${name} in row ${row} is no ${valueTypeName(valueType)}`,
  );
}
