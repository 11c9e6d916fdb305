import {
  GetFeastServingInfoRequestSchema,
  GetFeastServingInfoResponseSchema,
} from '../../gen/feast/serving/ServingService_pb.ts';
import type { FeatureWriter } from '../ingestion/feature-writer.ts';
import { assembleResponse } from '../retrieval/assemble-response.ts';
import { decodeRequest } from '../retrieval/decode-request.ts';
import { startTiming } from '../call/request-timing.ts';
import type { FeatureReader } from '../retrieval/feature-reader.ts';
import { parsePartialResults, PARTIAL_RESULTS } from '../retrieval/partial-results.ts';
import type { RetrievalLimits } from '../retrieval/retrieval-request.ts';
import { FRAME_HEADROOM, unaryMethod, type GrpcMethod, type GrpcService } from './grpc-service.ts';
import { pushMethod, writeToOnlineStoreMethod } from './write-methods.ts';

/** Names of the two services that Feast's servers speak; the second has no package. */
export const SERVING_SERVICE = 'feast.serving.ServingService';
export const GRPC_FEATURE_SERVER = 'GrpcFeatureServer';

/** What the Feast services answer from. */
export interface FeatureServicesOptions {
  readonly reader: FeatureReader;
  readonly writer: FeatureWriter;
  readonly limits: RetrievalLimits;
  /** What GetFeastServingInfo says. */
  readonly version: string;
}

/** The services of Feast's Go and Java servers (`ServingService`) and of its Python server (`GrpcFeatureServer`). */
export function createFeatureServices(options: FeatureServicesOptions): readonly GrpcService[] {
  return [
    {
      name: SERVING_SERVICE,
      methods: {
        // Go and Java mark values older than their TTL.
        GetOnlineFeatures: getOnlineFeatures(options, true),
        GetFeastServingInfo: unaryMethod(
          GetFeastServingInfoRequestSchema,
          GetFeastServingInfoResponseSchema,
          () => ({ version: options.version }),
        ),
      },
    },
    {
      name: GRPC_FEATURE_SERVER,
      methods: {
        // Python does not.
        GetOnlineFeatures: getOnlineFeatures(options, false),
        Push: pushMethod(options.writer),
        WriteToOnlineStore: writeToOnlineStoreMethod(options.writer),
      },
    },
  ];
}

/** The read path: bytes in, bytes out, one `await` (inside the reader) between them. */
function getOnlineFeatures(options: FeatureServicesOptions, enforceTtl: boolean): GrpcMethod {
  const { reader, limits } = options;
  return {
    kind: 'unary',
    admission: 'measured',
    call(message, call) {
      const timing = startTiming(call);
      const request = decodeRequest(message, limits);
      call.rowCount = request.columns[0]?.starts.length ?? 0;
      const options = {
        enforceTtl,
        nowSeconds: Math.floor(Date.now() / 1000),
        deadlineAtMs: call.deadlineAtMs,
        signal: call.signal,
        call,
        partialResults: parsePartialResults(call.metadata(PARTIAL_RESULTS)),
        timing,
      };
      return reader.read(request, options, (retrieved) => {
        call.lostCount = retrieved.lostCount;
        call.featureCount = retrieved.plan.outputNames.length - retrieved.entityColumns.length;
        const response = assembleResponse(retrieved, FRAME_HEADROOM);
        timing?.assembled(response.length - FRAME_HEADROOM);
        return response;
      });
    },
  };
}
