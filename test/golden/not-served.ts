import type { GoldenAnswer } from '../support/golden-answer.ts';
import { sdkAnswer } from '../support/golden-vectors.ts';
import { refusal, type GoldenCase, type GoldenProtocol } from './golden-case.ts';

/**
 * A part of Feast that is not served: its vectors have to be refused as it says. Once it is served, its entry is deleted
 * and the vectors have to be answered as Feast does.
 */
export interface NotServed {
  readonly what: string;
  readonly answer: string;
  readonly says: RegExp;
  readonly concerns: (golden: GoldenCase) => boolean;
}

/** Errors of a request that are found before anything would be computed. */
const FOUND_FIRST = /not found in projection|Missing join key values|Required request data source/;

export const NOT_SERVED: readonly NotServed[] = [
  {
    what: 'on-demand feature views that are computed when they are asked for, without a transformation server or in other modes than pandas',
    answer: 'gRPC UNIMPLEMENTED, HTTP 501, naming the view and its mode (decisions 39 and 40)',
    says: /On-demand feature view \S+ \(mode \w+\) cannot be computed here/,
    concerns: ({ outputs = [], registry, computes, vector }) => {
      const modes = outputs.flatMap(
        ({ viewName }) => registry.onDemandViews.get(viewName)?.mode ?? [],
      );
      if (!modes.some((mode) => !computes || mode !== 'pandas')) return false;
      const sdk = sdkAnswer(vector);
      return sdk?.kind !== 'refused' || !FOUND_FIRST.test(sdk.text);
    },
  },
  {
    what: 'vector search over HTTP (`/search`, `/v1/vector_stores`)',
    answer: 'HTTP 501',
    says: /./,
    concerns: ({ vector }) =>
      ['/search', '/v1/vector_stores'].includes(vector.request.http?.path ?? ''),
  },
];

/** What the request needs that is not served; `undefined` = nothing. */
export function partNotServed(golden: GoldenCase): NotServed | undefined {
  return NOT_SERVED.find(({ concerns }) => concerns(golden));
}

export function notServedAnswer({ says }: NotServed, protocol: GoldenProtocol): GoldenAnswer {
  return refusal(protocol, { grpc: 'UNIMPLEMENTED', http: 501, says });
}
