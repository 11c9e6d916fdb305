import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fromBinary, toBinary, type DescFile } from '@bufbuild/protobuf';
import { protoCamelCase } from '@bufbuild/protobuf/reflect';
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
  type ServiceDescriptorProto,
} from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { Health, HealthCheckResponse_ServingStatus } from '../gen/grpc/health/v1/health_pb.ts';
import { file_grpc_reflection_v1_reflection } from '../gen/grpc/reflection/v1/reflection_pb.ts';
import { file_grpc_reflection_v1alpha_reflection } from '../gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { describeWithShared, sharedPath } from './support/shared.ts';

/** Descriptors of our Feast protos by file name, as they are embedded in gen/. */
const ours = new Map<string, FileDescriptorProto>();
for (const generated of globSync('gen/feast/**/*_pb.ts')) {
  const url = pathToFileURL(join(process.cwd(), generated)).href;
  const exported = (await import(/* @vite-ignore */ url)) as Record<string, unknown>;
  const name = Object.keys(exported).find((each) => each.startsWith('file_'));
  if (name === undefined) throw new Error(`${generated} describes no file`);
  const { proto } = exported[name] as DescFile;
  ours.set(proto.name, proto);
}

describeWithShared('protos against those recorded from Feast', () => {
  const recorded = new Map(
    fromBinary(
      FileDescriptorSetSchema,
      readFileSync(sharedPath('golden', 'descriptors', 'feast.fds.binpb')),
    )
      .file.filter((file) => file.name.startsWith('feast/'))
      .map((file) => [file.name, file]),
  );
  const filenames = [...recorded.keys()].toSorted();

  it('are the same files, in proto/ and in gen/', () => {
    const written = globSync('feast/**/*.proto', { cwd: 'proto' });
    expect(written.toSorted()).toEqual(filenames);
    expect([...ours.keys()].toSorted()).toEqual(filenames);
  });

  it.each(filenames)('%s states the same facts', (filename) => {
    expect(facts(ours.get(filename))).toEqual(facts(recorded.get(filename)));
  });

  it('compares what there is to compare', () => {
    const all = filenames.flatMap((filename) => facts(recorded.get(filename)));
    expect(all.filter((fact) => fact.startsWith('field ')).length).toBeGreaterThan(700);
    expect(all.filter((fact) => fact.startsWith('value ')).length).toBeGreaterThan(100);
    expect(all.filter((fact) => fact.startsWith('rpc ')).length).toBe(55 + 2 + 3 + 2 + 1);
  });
});

describe('health', () => {
  it('answers clients of the smaller copy that Feast carries', () => {
    // HealthService.proto of Feast: Check only, and an enum of three values. It is in the package of
    // the standard file, so only one of the two can be built; it is not in the recorded set.
    const { check } = Health.method;
    expect(`/${Health.typeName}/${check.name}`).toBe('/grpc.health.v1.Health/Check');
    expect(check.methodKind).toBe('unary');
    expect(facts(Health.file.proto)).toEqual(
      expect.arrayContaining([
        'field grpc.health.v1.HealthCheckRequest 1 service: OPTIONAL STRING',
        'field grpc.health.v1.HealthCheckResponse 1 status: OPTIONAL ENUM .grpc.health.v1.HealthCheckResponse.ServingStatus',
      ]),
    );
    expect(HealthCheckResponse_ServingStatus).toMatchObject({
      UNKNOWN: 0,
      SERVING: 1,
      NOT_SERVING: 2,
    });
  });
});

describe('reflection', () => {
  it('differs between its two versions in the package only', () => {
    const contract = (file: DescFile): string[] =>
      facts(file.proto)
        .filter((fact) => !fact.startsWith('file ') && !fact.startsWith('option '))
        .map((fact) => fact.replaceAll(/reflection\.v1(alpha)?\./g, 'reflection.'));
    expect(contract(file_grpc_reflection_v1alpha_reflection)).toEqual(
      contract(file_grpc_reflection_v1_reflection),
    );
  });

  it('can hand out every file of gen/ as it was compiled', () => {
    for (const file of ours.values()) {
      const bytes = toBinary(FileDescriptorProtoSchema, file);
      expect(facts(fromBinary(FileDescriptorProtoSchema, bytes))).toEqual(facts(file));
    }
  });
});

/**
 * All that a file promises to its clients, one line per fact, sorted. The order of declarations and
 * imports is left out: nothing on the wire or in generated clients depends on it.
 */
function facts(file: FileDescriptorProto | undefined): string[] {
  if (file === undefined) return [];
  const prefix = file.package === '' ? '' : `${file.package}.`;
  const { goPackage, javaPackage, javaOuterClassname, javaMultipleFiles } = file.options ?? {};
  return [
    `file ${file.name}: package "${file.package}", ${file.syntax}`,
    `option go_package ${goPackage}`,
    `option java_package ${javaPackage}`,
    `option java_outer_classname ${javaOuterClassname}`,
    `option java_multiple_files ${javaMultipleFiles}`,
    ...file.dependency.map((name) => `import ${name}`),
    ...file.messageType.flatMap((message) => messageFacts(message, prefix)),
    ...file.enumType.flatMap((each) => enumFacts(each, prefix)),
    ...file.service.flatMap((service) => serviceFacts(service, prefix)),
  ].toSorted();
}

function messageFacts(message: DescriptorProto, prefix: string): string[] {
  const name = prefix + message.name;
  return [
    `message ${name}${message.options?.mapEntry ? ' mapEntry' : ''}${message.options?.deprecated ? ' deprecated' : ''}`,
    ...message.field.map((field) => `field ${name} ${fieldFact(field, message)}`),
    ...message.oneofDecl.map((oneof) => `oneof ${name}.${oneof.name}`),
    // The end is exclusive in messages.
    ...message.reservedRange.map(({ start, end }) => `reserved ${name} ${start} to ${end - 1}`),
    ...message.reservedName.map((reserved) => `reserved ${name} "${reserved}"`),
    ...message.nestedType.flatMap((nested) => messageFacts(nested, `${name}.`)),
    ...message.enumType.flatMap((nested) => enumFacts(nested, `${name}.`)),
  ];
}

function fieldFact(field: FieldDescriptorProto, message: DescriptorProto): string {
  const oneof = Object.hasOwn(field, 'oneofIndex')
    ? message.oneofDecl[field.oneofIndex]
    : undefined;
  return [
    `${field.number} ${field.name}: ${Label[field.label]} ${Type[field.type]}`,
    field.typeName,
    oneof && `oneof ${oneof.name}`,
    field.proto3Optional && 'optional',
    field.options?.deprecated && 'deprecated',
    // Lists are packed where nothing is said; protoc leaves the JSON name out where it is derived.
    field.options && Object.hasOwn(field.options, 'packed') && `packed ${field.options.packed}`,
    field.jsonName && field.jsonName !== protoCamelCase(field.name) && `json ${field.jsonName}`,
  ]
    .filter(Boolean)
    .join(' ');
}

function enumFacts(each: EnumDescriptorProto, prefix: string): string[] {
  const name = prefix + each.name;
  return [
    `enum ${name}${each.options?.allowAlias ? ' allow_alias' : ''}`,
    ...each.value.map((value) => `value ${name}.${value.name} = ${value.number}`),
    // The end is inclusive in enums.
    ...each.reservedRange.map(({ start, end }) => `reserved ${name} ${start} to ${end}`),
    ...each.reservedName.map((reserved) => `reserved ${name} "${reserved}"`),
  ];
}

function serviceFacts(service: ServiceDescriptorProto, prefix: string): string[] {
  const name = prefix + service.name;
  return [
    `service ${name}`,
    ...service.method.map(
      (method) =>
        `rpc /${name}/${method.name} (${method.clientStreaming ? 'stream ' : ''}${method.inputType})` +
        ` returns (${method.serverStreaming ? 'stream ' : ''}${method.outputType})`,
    ),
  ];
}
