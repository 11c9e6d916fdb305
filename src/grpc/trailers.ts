import { encodeHeaderBlock, type HeaderBlock } from '../http2/header-block.ts';
import { SERVER_TIMING } from '../call/request-timing.ts';
import { LOST_VALUES } from '../retrieval/partial-results.ts';
import type { CallContext } from './grpc-service.ts';
import { LOAD_REPORT_TRAILER } from './load-reports.ts';

/** The trailers of a call that went well. */
export type TrailersOf = (call: CallContext) => HeaderBlock;

const OK_TRAILERS = encodeHeaderBlock({ 'grpc-status': 0 });

/**
 * Nearly always they are the same for all calls, and encoded already.
 *
 * @param loadReport see `LoadReports.trailer`; without it no call brings one
 */
export function createTrailers(loadReport?: () => string): TrailersOf {
  let written: string | undefined;
  let common = OK_TRAILERS;
  return ({ lostCount, timing }) => {
    if (loadReport !== undefined) {
      const report = loadReport();
      if (report !== written) {
        written = report;
        common = encodeHeaderBlock({ ...OK_TRAILERS.fields, [LOAD_REPORT_TRAILER]: report });
      }
    }
    if (lostCount === 0 && timing === undefined) return common;
    return encodeHeaderBlock({
      ...common.fields,
      ...(lostCount === 0 ? {} : { [LOST_VALUES]: lostCount }),
      ...(timing === undefined ? {} : { [SERVER_TIMING]: timing.toString() }),
    });
  };
}
