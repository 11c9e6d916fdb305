import { decodePush, decodeWriteToOnlineStore } from '../ingestion/decode-write.ts';
import type { FeatureWriter } from '../ingestion/feature-writer.ts';
import { FRAME_HEADROOM, type GrpcMethod } from './grpc-service.ts';

/** `PushResponse` and `WriteToOnlineStoreResponse` alike: field 1, `status`, true. */
const STATUS_TRUE = Uint8Array.of(0x08, 0x01);

/** `Push` of Feast's Python server: one row for every view of a push source. No `to` means `online`. */
export function pushMethod(writer: FeatureWriter): GrpcMethod {
  return {
    kind: 'unary',
    async call(message, call) {
      const { name, frame, to, allowRegistryCache } = decodePush(message);
      call.rowCount = frame.rowCount;
      call.featureCount = frame.columns.size;
      await writer.push(
        { pushSourceName: name, frame, to: to === '' ? 'online' : to },
        {
          allowRegistryCache,
          deadlineAtMs: call.deadlineAtMs,
          signal: call.signal,
          call,
        },
      );
      return statusTrue();
    },
  };
}

/** `WriteToOnlineStore` of Feast's Python server: one row for one view. */
export function writeToOnlineStoreMethod(writer: FeatureWriter): GrpcMethod {
  return {
    kind: 'unary',
    async call(message, call) {
      const { name, frame, allowRegistryCache } = decodeWriteToOnlineStore(message);
      call.rowCount = frame.rowCount;
      call.featureCount = frame.columns.size;
      await writer.write(
        { viewName: name, frame, transformOnWrite: true },
        {
          allowRegistryCache,
          deadlineAtMs: call.deadlineAtMs,
          signal: call.signal,
          call,
        },
      );
      return statusTrue();
    },
  };
}

function statusTrue(): Uint8Array {
  const framed = Buffer.allocUnsafe(FRAME_HEADROOM + STATUS_TRUE.length);
  framed.set(STATUS_TRUE, FRAME_HEADROOM);
  return framed;
}
