import { create, toBinary } from '@bufbuild/protobuf';
import { WriteResponseSchema } from '../../gen/sideboard/v1/ingest_pb.ts';
import type { FeatureWriter } from '../ingestion/feature-writer.ts';
import { createWriteStream } from '../ingestion/write-stream.ts';
import type { GrpcService, StreamingMethod } from './grpc-service.ts';
import { statusOf } from './status.ts';

export const INGEST_SERVICE = 'sideboard.v1.IngestService';

/** `sideboard.v1.IngestService`: rows as a stream, acknowledged in batches. */
export function createIngestService(writer: FeatureWriter): GrpcService {
  const write: StreamingMethod = (call, responses) => {
    const stream = createWriteStream({
      writer,
      acknowledge({ acknowledgedId, written, stale, rejections }) {
        call.rowCount = stream.rowCount;
        const response = create(WriteResponseSchema, {
          acknowledgedId,
          writtenCount: BigInt(written),
          staleCount: BigInt(stale),
          rejections: rejections.map(({ id, error }) => {
            const { code, message } = statusOf(error);
            return { id, code, message };
          }),
        });
        responses.send(toBinary(WriteResponseSchema, response));
      },
      hold: responses.hold,
      end: responses.end,
      signal: call.signal,
      deadlineAtMs: call.deadlineAtMs,
      call,
    });
    return { onMessage: (message) => stream.onRequest(message), onEnd: () => stream.onEnd() };
  };
  return {
    name: INGEST_SERVICE,
    methods: { Write: { kind: 'streaming', requests: 'many', open: write } },
  };
}
