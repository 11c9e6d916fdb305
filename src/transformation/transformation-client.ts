import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, status } from '@grpc/grpc-js';
import type { CallOptions, ServiceError } from '@grpc/grpc-js';
import {
  TransformFeaturesRequestSchema,
  TransformFeaturesResponseSchema,
} from '../../gen/feast/serving/TransformationService_pb.ts';
import { cancelled, deadlineExceeded } from '../errors.ts';
import { encodeInputs } from './arrow-inputs.ts';
import { decodeOutputs } from './arrow-outputs.ts';
import type { TransformationClient } from './open-transformation.ts';
import {
  transformationFailed,
  transformationTooLarge,
  transformationUnavailable,
} from './transformation-errors.ts';

const METHOD = '/feast.serving.TransformationService/TransformFeatures';

/**
 * Connects to `feast serve_transformations`, which runs the functions of on-demand views. It has neither TLS nor
 * authentication: keep it where nobody else can reach it.
 *
 * @param endpoint `host:port`.
 */
export function createTransformationClient(
  endpoint: string,
  maxResponseBytes: number,
): TransformationClient {
  const client = new Client(endpoint, credentials.createInsecure(), {
    'grpc.max_receive_message_length': maxResponseBytes,
    // The request that it is made of was small enough to be taken.
    'grpc.max_send_message_length': -1,
    // The default is minutes: a server that is back would be left alone for as long.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 5000,
    'grpc.enable_http_proxy': 0,
  });
  return {
    async transform({ project, viewName, rowCount, inputs, outputs }, { deadlineAtMs, signal }) {
      if (signal?.aborted === true) throw cancelled();
      const request = create(TransformFeaturesRequestSchema, {
        onDemandFeatureViewName: viewName,
        project,
        transformationInput: {
          value: { case: 'arrowValue', value: encodeInputs(viewName, inputs, rowCount) },
        },
      });
      const leftMs = deadlineAtMs - performance.now();
      const options: CallOptions = Number.isFinite(leftMs) ? { deadline: Date.now() + leftMs } : {};
      let stop = (): void => {};
      const answer = new Promise<Uint8Array>((resolve, reject) => {
        const call = client.makeUnaryRequest(
          METHOD,
          (message: Uint8Array) => Buffer.from(message),
          (bytes: Buffer) => bytes,
          toBinary(TransformFeaturesRequestSchema, request),
          options,
          (error, bytes) => (error === null ? resolve(bytes ?? new Uint8Array()) : reject(error)),
        );
        stop = () => call.cancel();
        signal?.addEventListener('abort', stop, { once: true });
      });
      let bytes: Uint8Array;
      try {
        bytes = await answer;
      } catch (error) {
        throw translate(error as ServiceError, viewName, endpoint);
      } finally {
        signal?.removeEventListener('abort', stop);
      }
      const table = fromBinary(TransformFeaturesResponseSchema, bytes).transformationOutput?.value;
      return decodeOutputs(table?.value ?? new Uint8Array(), viewName, outputs, rowCount);
    },
    async close() {
      client.close();
    },
  };
}

/** The server's own text may hold values of the inputs; it stands in the server's log. */
function translate(error: ServiceError, viewName: string, endpoint: string): Error {
  switch (error.code) {
    case status.UNAVAILABLE:
      return transformationUnavailable(endpoint, error);
    case status.DEADLINE_EXCEEDED:
      return deadlineExceeded('while an on-demand feature view was computed');
    case status.CANCELLED:
      return cancelled();
    case status.RESOURCE_EXHAUSTED:
      return transformationTooLarge(viewName, error);
    case status.INVALID_ARGUMENT:
      return transformationFailed(viewName, 'the transformation server does not know it', error);
    default:
      return transformationFailed(
        viewName,
        'its function failed; the log of the transformation server says why',
      );
  }
}
