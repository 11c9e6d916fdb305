import { invalidRequest } from './retrieval-errors.ts';

/** Request metadata (gRPC) or header: whether this request takes an answer with what could not be read marked. */
export const PARTIAL_RESULTS = 'sideboard-partial-results';

/** Trailer (gRPC) or response header of an answer that misses values: how many. */
export const LOST_VALUES = 'sideboard-lost-values';

/**
 * What a request says of partial results.
 *
 * @param text of `PARTIAL_RESULTS`; `undefined` = it says nothing, the setting `partial_results` decides.
 * @throws SideboardError INVALID_REQUEST for anything but `true` and `false`
 */
export function parsePartialResults(text: string | undefined): boolean | undefined {
  switch (text?.trim().toLowerCase()) {
    case undefined:
      return undefined;
    case 'true':
      return true;
    case 'false':
      return false;
    default:
      throw invalidRequest(`${PARTIAL_RESULTS} takes true or false`);
  }
}
