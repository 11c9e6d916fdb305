import { readFileSync } from 'node:fs';
import {
  createFileRegistry,
  fromBinary,
  fromJson,
  toBinary,
  toJson,
  type DescMessage,
  type DescService,
  type JsonObject,
  type Registry,
} from '@bufbuild/protobuf';
import { AnySchema, FileDescriptorSetSchema, type Any } from '@bufbuild/protobuf/wkt';

const PACKAGE = 'connectrpc.conformance.v1';

/** The contracts of the conformance suite, as its runner brings them; messages are handled in their JSON form. */
export interface ConformanceProtos {
  readonly registry: Registry;
  readonly service: DescService;
  message(name: string): DescMessage;
  decode(message: DescMessage, bytes: Uint8Array): JsonObject;
  encode(message: DescMessage, json: JsonObject): Uint8Array;
  /** A `google.protobuf.Any` from its JSON form. */
  any(json: JsonObject): Any;
  /** The number of an error code by its name, `CODE_ABORTED` and so on; gRPC and Connect have the same. */
  codeOf(name: string): number;
}

/** @param path of a `FileDescriptorSet`, made by `buf build` */
export function loadConformanceProtos(path: string): ConformanceProtos {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(path)));
  const service = registry.getService(`${PACKAGE}.ConformanceService`)!;
  const codes = registry.getEnum(`${PACKAGE}.Code`)!;
  return {
    registry,
    service,
    message: (name) => registry.getMessage(`${PACKAGE}.${name}`)!,
    decode: (message, bytes) =>
      toJson(message, fromBinary(message, bytes), { registry }) as JsonObject,
    encode: (message, json) => toBinary(message, fromJson(message, json, { registry })),
    codeOf: (name) => codes.values.find((value) => value.name === name)!.number,
    any: (json) => fromJson(AnySchema, json, { registry }),
  };
}
