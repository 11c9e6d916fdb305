import { create, toBinary, type DescFile, type MessageInitShape } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import {
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
  type ServerReflectionRequest,
} from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import { openToAll, parseMessage, type GrpcService, type StreamingMethod } from './grpc-service.ts';
import { GrpcCode } from './status.ts';

/** Both versions of the protocol. */
const REFLECTION_SERVICES = [
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
] as const;

type Answer = NonNullable<
  MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']
>;

/** Finds descriptors by file name and by the full name of anything declared in a file. */
interface DescriptorIndex {
  readonly byFilename: ReadonlyMap<string, DescFile>;
  readonly bySymbol: ReadonlyMap<string, DescFile>;
}

/**
 * Server reflection in both of its versions, which differ in their package only
 * (https://github.com/grpc/grpc/blob/v1.60.0/doc/server-reflection.md). They tell the public contract and nothing of a registry,
 * to everybody.
 *
 * @param files files that declare the served services; what they import comes along
 * @param serviceNames what `list_services` answers, besides the reflection services themselves
 */
export function createReflectionServices(
  files: readonly DescFile[],
  serviceNames: readonly string[],
): readonly GrpcService[] {
  const index = indexDescriptors(files);
  const listed = [...serviceNames, ...REFLECTION_SERVICES];
  const info: StreamingMethod = (_call, responses) => ({
    onMessage(message: Uint8Array): void {
      const request = parseMessage(ServerReflectionRequestSchema, message);
      responses.send(
        toBinary(
          ServerReflectionResponseSchema,
          create(ServerReflectionResponseSchema, {
            validHost: request.host,
            originalRequest: request,
            messageResponse: answer(request, index, listed),
          }),
        ),
      );
    },
    onEnd: () => responses.end(),
  });
  return REFLECTION_SERVICES.map((name) =>
    openToAll({
      name,
      methods: { ServerReflectionInfo: { kind: 'streaming', requests: 'many', open: info } },
    }),
  );
}

function indexDescriptors(files: readonly DescFile[]): DescriptorIndex {
  const byFilename = new Map<string, DescFile>();
  const bySymbol = new Map<string, DescFile>();
  const visit = (file: DescFile): void => {
    const filename = file.proto.name;
    if (byFilename.has(filename)) return;
    byFilename.set(filename, file);
    const pending = [...file.messages];
    for (let message = pending.pop(); message !== undefined; message = pending.pop()) {
      bySymbol.set(message.typeName, file);
      for (const field of message.fields) bySymbol.set(`${message.typeName}.${field.name}`, file);
      for (const nested of message.nestedEnums) bySymbol.set(nested.typeName, file);
      pending.push(...message.nestedMessages);
    }
    for (const declared of file.enums) bySymbol.set(declared.typeName, file);
    for (const service of file.services) {
      bySymbol.set(service.typeName, file);
      for (const method of service.methods)
        bySymbol.set(`${service.typeName}.${method.name}`, file);
    }
    file.dependencies.forEach(visit);
  };
  files.forEach(visit);
  return { byFilename, bySymbol };
}

function answer(
  request: ServerReflectionRequest,
  index: DescriptorIndex,
  serviceNames: readonly string[],
): Answer {
  const asked = request.messageRequest;
  switch (asked.case) {
    case 'fileByFilename':
      return fileAnswer(index.byFilename.get(asked.value), `file ${asked.value}`);
    case 'fileContainingSymbol':
      return fileAnswer(index.bySymbol.get(asked.value), `symbol ${asked.value}`);
    case 'listServices':
      return {
        case: 'listServicesResponse',
        value: { service: serviceNames.map((name) => ({ name })) },
      };
    case 'allExtensionNumbersOfType':
      return index.bySymbol.has(asked.value)
        ? { case: 'allExtensionNumbersResponse', value: { baseTypeName: asked.value } }
        : notFound(`type ${asked.value}`);
    case 'fileContainingExtension':
      return notFound(`extension of ${asked.value.containingType}`);
    default:
      return {
        case: 'errorResponse',
        value: { errorCode: GrpcCode.INVALID_ARGUMENT, errorMessage: 'the request asks nothing' },
      };
  }
}

/** What was asked for once, as bytes: a stream may ask for as much again with each few bytes. */
const ENCODED = new WeakMap<DescFile, readonly Uint8Array[]>();

/** The file and all that it imports, so that a client needs to ask once. */
function fileAnswer(file: DescFile | undefined, what: string): Answer {
  if (file === undefined) return notFound(what);
  let encoded = ENCODED.get(file);
  if (encoded === undefined) {
    encoded = encodeWithImports(file);
    ENCODED.set(file, encoded);
  }
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto: [...encoded] } };
}

function encodeWithImports(file: DescFile): readonly Uint8Array[] {
  const closure = new Set<DescFile>();
  const visit = (each: DescFile): void => {
    if (closure.has(each)) return;
    closure.add(each);
    each.dependencies.forEach(visit);
  };
  visit(file);
  return [...closure].map((each) => toBinary(FileDescriptorProtoSchema, each.proto));
}

function notFound(what: string): Answer {
  return {
    case: 'errorResponse',
    value: { errorCode: GrpcCode.NOT_FOUND, errorMessage: `${what} is not known here` },
  };
}
