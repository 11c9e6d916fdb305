import { deadlineExceeded } from '../errors.ts';
import type { FeatureReader } from '../retrieval/feature-reader.ts';
import { SERVER_TIMING, startTiming } from '../call/request-timing.ts';
import { LOST_VALUES, parsePartialResults, PARTIAL_RESULTS } from '../retrieval/partial-results.ts';
import { parseFeastRequest, type JsonRequestLimits } from './feast-request.ts';
import { feastResponseJson } from './feast-response.ts';
import type { NonFiniteJson } from './json-numbers.ts';
import type { JsonRoute } from './json-route.ts';

/** `POST /get-online-features` of Feast's Python server. */
export function getOnlineFeaturesRoute(
  reader: FeatureReader,
  nonFiniteJson: NonFiniteJson,
  limits: JsonRequestLimits,
): JsonRoute {
  return async (body, call) => {
    const timing = startTiming(call);
    const request = parseFeastRequest(body, call.metadata('content-type'), limits);
    call.rowCount = request.columns[0]?.starts.length ?? 0;
    const options = {
      // Feast's Python server looks at no TTL.
      enforceTtl: false,
      nowSeconds: Math.floor(Date.now() / 1000),
      deadlineAtMs: call.deadlineAtMs,
      signal: call.signal,
      call,
      partialResults: parsePartialResults(call.metadata(PARTIAL_RESULTS)),
      timing,
    };
    const json = await reader.read(request, options, (retrieved) => {
      call.lostCount = retrieved.lostCount;
      call.featureCount = retrieved.plan.outputNames.length - retrieved.entityColumns.length;
      return feastResponseJson(retrieved, nonFiniteJson);
    });
    timing?.assembled(json.length);
    if (performance.now() > call.deadlineAtMs) {
      throw deadlineExceeded('while the answer was written');
    }
    const { lostCount } = call;
    const headers = {
      ...(lostCount === 0 ? {} : { [LOST_VALUES]: String(lostCount) }),
      ...(call.timing === undefined ? {} : { [SERVER_TIMING]: call.timing.toString() }),
    };
    return { status: 200, body: json, headers };
  };
}
