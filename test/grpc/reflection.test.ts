import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { file_feast_serving_GrpcServer } from '../../gen/feast/serving/GrpcServer_pb.ts';
import { file_feast_serving_ServingService } from '../../gen/feast/serving/ServingService_pb.ts';
import {
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import type { CallContext } from '../../src/grpc/grpc-service.ts';
import { createReflectionServices } from '../../src/grpc/reflection.ts';

const services = createReflectionServices(
  [file_feast_serving_ServingService, file_feast_serving_GrpcServer],
  ['feast.serving.ServingService', 'GrpcFeatureServer'],
);

function ask(
  messageRequest: ServerReflectionRequest['messageRequest'],
): ServerReflectionResponse['messageResponse'] {
  const method = services[0]!.methods['ServerReflectionInfo']!;
  if (method.kind !== 'streaming') throw new Error('reflection streams');
  const sent: Uint8Array[] = [];
  const call = method.open({} as CallContext, {
    open: () => {},
    send: (each) => sent.push(each),
    hold: () => {},
    end: () => {},
  });
  call.onMessage(
    toBinary(
      ServerReflectionRequestSchema,
      create(ServerReflectionRequestSchema, { messageRequest }),
    ),
  );
  expect(sent).toHaveLength(1);
  return fromBinary(ServerReflectionResponseSchema, sent[0]!).messageResponse;
}

describe('createReflectionServices', () => {
  it('answers under both names of the protocol', () => {
    expect(services.map((service) => service.name)).toEqual([
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ]);
  });

  it('lists the services', () => {
    const answer = ask({ case: 'listServices', value: '' });
    expect(
      answer.case === 'listServicesResponse' && answer.value.service.map((each) => each.name),
    ).toEqual([
      'feast.serving.ServingService',
      'GrpcFeatureServer',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ]);
  });

  it.each([
    'feast.serving.ServingService',
    'feast.serving.ServingService.GetOnlineFeatures',
    'feast.serving.GetOnlineFeaturesResponse.FeatureVector',
    'feast.types.ValueType.Enum',
    'GrpcFeatureServer',
    'PushRequest.typed_features',
  ])('finds the file of %s, with all that it imports', (symbol) => {
    const answer = ask({ case: 'fileContainingSymbol', value: symbol });
    if (answer.case !== 'fileDescriptorResponse') throw new Error(JSON.stringify(answer));
    const files = answer.value.fileDescriptorProto.map((each) =>
      fromBinary(FileDescriptorProtoSchema, each),
    );
    const names = new Set(files.map((file) => file.name));
    for (const file of files)
      for (const imported of file.dependency) expect(names).toContain(imported);
  });

  it('says what it does not know', () => {
    for (const asked of [
      { case: 'fileByFilename', value: 'nope.proto' } as const,
      { case: 'fileContainingSymbol', value: 'feast.Nope' } as const,
      { case: undefined } as const,
    ]) {
      expect(ask(asked).case).toBe('errorResponse');
    }
  });
});
