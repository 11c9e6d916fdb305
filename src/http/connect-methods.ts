import type { DescMethod, DescMethodUnary, DescService } from '@bufbuild/protobuf';
import { GrpcFeatureServer } from '../../gen/feast/serving/GrpcServer_pb.ts';
import { ServingService } from '../../gen/feast/serving/ServingService_pb.ts';
import { Health } from '../../gen/grpc/health/v1/health_pb.ts';
import type { Admission, RequestCall } from '../call/request-call.ts';

/** A method as bytes, shared with gRPC over HTTP/2; its answer begins with free bytes for a frame's prefix. */
export type MethodOnBytes = (message: Uint8Array, call: RequestCall) => Promise<Uint8Array>;

/** A service and its methods by name; those that stream are served over gRPC only. */
export interface ServiceOnBytes {
  readonly name: string;
  readonly methods: Readonly<
    Record<string, UnaryOnBytes | { readonly kind: 'streaming'; readonly isOpen?: true }>
  >;
}

/** A method with one request and one response. */
export interface UnaryOnBytes {
  readonly kind: 'unary';
  readonly call: MethodOnBytes;
  /** How it is let in, see `runAdmitted`. */
  readonly admission?: Admission;
  /** Answered without asking who calls. */
  readonly isOpen?: true;
}

/** A method that the Connect protocols serve: its types, and what answers it. */
export interface ConnectMethod {
  readonly description: DescMethodUnary;
  readonly onBytes: UnaryOnBytes;
}

/** By full method path, such as `/feast.serving.ServingService/GetOnlineFeatures`. */
export type ConnectMethods = ReadonlyMap<string, ConnectMethod>;

const DESCRIPTIONS: readonly DescService[] = [ServingService, GrpcFeatureServer, Health];

/** What of the services the Connect protocols serve: the methods with one request and one response. */
export function connectMethods(services: readonly ServiceOnBytes[]): ConnectMethods {
  const methods = new Map<string, ConnectMethod>();
  for (const { typeName, methods: descriptions } of DESCRIPTIONS) {
    const service = services.find(({ name }) => name === typeName);
    for (const description of descriptions) {
      const onBytes = service?.methods[description.name];
      if (onBytes?.kind !== 'unary' || !isUnary(description)) continue;
      methods.set(`/${typeName}/${description.name}`, { description, onBytes });
    }
  }
  return methods;
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === 'unary';
}
