import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import {
  GetTransformationServiceInfoRequestSchema,
  GetTransformationServiceInfoResponseSchema,
} from '../../gen/feast/serving/TransformationService_pb.ts';

const METHOD = '/feast.serving.TransformationService/GetTransformationServiceInfo';

/** What a transformation server says of itself, or why it says nothing. */
export type TransformationProbe =
  | { readonly answers: true; readonly details: string }
  | { readonly answers: false; readonly reason: string };

/** Asks a transformation server what it is. @param endpoint `host:port` */
export async function probeTransformation(
  endpoint: string,
  timeoutMs: number,
): Promise<TransformationProbe> {
  const client = new Client(endpoint, credentials.createInsecure(), {
    'grpc.enable_http_proxy': 0,
  });
  const request = create(GetTransformationServiceInfoRequestSchema);
  try {
    const bytes = await new Promise<Uint8Array>((resolve, reject) => {
      client.makeUnaryRequest(
        METHOD,
        (message: Uint8Array) => Buffer.from(message),
        (answer: Buffer) => answer,
        toBinary(GetTransformationServiceInfoRequestSchema, request),
        { deadline: Date.now() + timeoutMs },
        (error, answer) => (error === null ? resolve(answer ?? new Uint8Array()) : reject(error)),
      );
    });
    const info = fromBinary(GetTransformationServiceInfoResponseSchema, bytes);
    return { answers: true, details: info.transformationServiceTypeDetails };
  } catch (error) {
    return { answers: false, reason: reasonOf(error as ServiceError) };
  } finally {
    client.close();
  }
}

function reasonOf({ code, message }: ServiceError): string {
  if (code === status.UNIMPLEMENTED) return 'it is no transformation server';
  if (code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED) {
    return 'nothing answers there';
  }
  return message;
}
