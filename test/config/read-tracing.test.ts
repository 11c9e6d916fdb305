import { expect, test } from 'vitest';
import type { TracingConfig } from '../../src/config/config.ts';
import { createProblemList } from '../../src/config/configuration-error.ts';
import type { Environment } from '../../src/config/expand-environment.ts';
import { readSettings } from '../../src/config/read-settings.ts';
import { readTracing } from '../../src/config/read-tracing.ts';

interface Read {
  readonly tracing: TracingConfig | undefined;
  /** Places of mistakes. */
  readonly mistakes: readonly string[];
  readonly warnings: readonly string[];
}

function read(env: Environment, overrides: Readonly<Record<string, unknown>> = {}): Read {
  const problems = createProblemList(() => 'file');
  const { values } = readSettings({ block: undefined, env, overrides }, problems);
  const tracing = readTracing(values, env, problems);
  const mistakes = problems.problems.map(({ where }) => where);
  return { tracing, mistakes, warnings: problems.warnings };
}

const HERE = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

test('nothing is traced where nobody says where to', () => {
  const variables = [
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: '' },
    { ...HERE, OTEL_SDK_DISABLED: 'true' },
    { ...HERE, OTEL_TRACES_EXPORTER: 'none' },
    { OTEL_SERVICE_NAME: 'features', OTEL_TRACES_SAMPLER: 'always_on' },
  ];
  for (const env of variables) {
    expect(read(env)).toEqual({ tracing: undefined, mistakes: [], warnings: [] });
  }
});

test('another exporter is a warning: the variables are for every program around', () => {
  const env = { ...HERE, OTEL_TRACES_EXPORTER: 'zipkin' };
  const { tracing, mistakes, warnings } = read(env);
  expect([tracing, mistakes]).toEqual([undefined, []]);
  expect(warnings).toEqual([expect.stringContaining('zipkin')]);
  expect(read(env, { otlp_endpoint: 'http://other' }).tracing?.url).toBe('http://other/v1/traces');
});

const GRPC = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };

test.each([
  [HERE, {}, 'http/protobuf'],
  [{ ...HERE, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }, {}, 'http/json'],
  [{ ...HERE, ...GRPC, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' }, {}, 'http/json'],
  [{ ...HERE, ...GRPC }, { otlp_protocol: 'http/protobuf' }, 'http/protobuf'],
  [{ ...HERE, OTEL_EXPORTER_OTLP_PROTOCOL: '' }, { otlp_endpoint: 'http://c' }, 'http/protobuf'],
  [GRPC, { otlp_endpoint: 'http://c' }, 'grpc'],
])('%j %j is spoken to by %s', (env, overrides, protocol) => {
  expect(read(env, overrides)).toMatchObject({ tracing: { protocol }, mistakes: [] });
});

test('a protocol that nobody knows is a warning, and the default is spoken', () => {
  const { tracing, warnings } = read({ ...HERE, OTEL_EXPORTER_OTLP_PROTOCOL: 'thrift' });
  expect(tracing?.protocol).toBe('http/protobuf');
  expect(warnings).toEqual([expect.stringContaining('thrift')]);
});

test.each([
  ['http://collector:4317', {}, 'http://collector:4317'],
  ['https://collector:4317/', {}, 'https://collector:4317'],
  ['https://collector', {}, 'https://collector'],
  ['collector:4317', {}, 'https://collector:4317'],
  ['collector:4317', { INSECURE: 'True' }, 'http://collector:4317'],
  ['10.0.0.1:4317', { TRACES_INSECURE: 'false', INSECURE: 'true' }, 'https://10.0.0.1:4317'],
  ['[::1]:4317', { INSECURE: 'true' }, 'http://[::1]:4317'],
  ['dns:///collector:4317', { INSECURE: 'true' }, 'http://collector:4317'],
  ['http://collector:4317', { INSECURE: 'false' }, 'http://collector:4317'],
  ['https://collector:4317', { INSECURE: 'true' }, 'https://collector:4317'],
  ['unix:/run/otlp.sock', {}, 'unix:/run/otlp.sock'],
  ['unix:///run/otlp.sock', {}, 'unix:/run/otlp.sock'],
])('%s with %j is %s to gRPC', (endpoint, variables, url) => {
  const more = Object.entries(variables).map(([name, value]) => [
    `OTEL_EXPORTER_OTLP_${name}`,
    value,
  ]);
  const env = {
    ...GRPC,
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    ...Object.fromEntries(more),
  } as Environment;
  const nothing = { mistakes: [], warnings: [] };
  expect(read(env)).toMatchObject({ tracing: { protocol: 'grpc', url }, ...nothing });
  const ours = { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: undefined };
  expect(read(ours, { otlp_endpoint: endpoint })).toMatchObject({ tracing: { url }, ...nothing });
});

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4317' }, '4317'],
  [{ ...HERE, ...GRPC }, '4318'],
  [{ ...GRPC, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4317/v1/traces' }, '/v1/traces'],
])('what was hardly meant is a warning: %j', (env, what) => {
  const { tracing, mistakes, warnings } = read(env);
  expect(tracing).toBeDefined();
  expect(mistakes).toEqual([]);
  expect(warnings).toEqual([expect.stringContaining(what)]);
});

test.each([
  [HERE, {}, 'http://collector:4318/v1/traces'],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c/base/' }, {}, 'https://c/base/v1/traces'],
  [{ ...HERE, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://t/as-it-is' }, {}, 'http://t/as-it-is'],
  [HERE, { otlp_endpoint: 'http://mine:1' }, 'http://mine:1/v1/traces'],
  [{ SIDEBOARD_OTLP_ENDPOINT: 'http://mine:1' }, {}, 'http://mine:1/v1/traces'],
])('%j %j goes to %s', (env, overrides, url) => {
  expect(read(env, overrides)).toMatchObject({ tracing: { url }, mistakes: [] });
});

test('headers, time and names come from the variables, decoded; ours win', () => {
  const env = {
    ...HERE,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20t%3D1, x-a=b=c',
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '2500',
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=shadowed,team=rides%2C east',
    OTEL_SERVICE_NAME: 'features',
  };
  expect(read(env).tracing).toMatchObject({
    headers: { authorization: 'Bearer t=1', 'x-a': 'b=c' },
    timeoutMs: 2500,
    resource: { 'service.name': 'features', team: 'rides, east' },
  });
  expect(read(env, { otlp_headers: 'x-a=1' }).tracing?.headers).toEqual({ 'x-a': '1' });
  expect(read(HERE).tracing).toMatchObject({ headers: {}, timeoutMs: 10_000 });
});

test('compression and certificates come from the variables', () => {
  const here = import.meta.filename;
  const env = {
    ...HERE,
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_EXPORTER_OTLP_CERTIFICATE: here,
    OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: here,
  };
  expect(read(env)).toMatchObject({
    tracing: { compression: 'gzip', tls: { caFile: here, certFile: undefined, keyFile: here } },
    mistakes: [],
    warnings: [],
  });
  const { tracing, warnings } = read({ ...HERE, OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd' });
  expect(tracing?.compression).toBe('none');
  expect(warnings).toEqual([expect.stringContaining('zstd')]);
});

test.each([
  [{}, {}, 0.01, true],
  [{ OTEL_TRACES_SAMPLER: 'always_on' }, {}, 1, false],
  [{ OTEL_TRACES_SAMPLER: 'always_off' }, {}, 0, false],
  [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.2' }, {}, 0.2, false],
  [{ OTEL_TRACES_SAMPLER: 'parentbased_always_on' }, {}, 1, true],
  [{ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, {}, 0, true],
  [{ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }, {}, 0, true],
  [{ OTEL_TRACES_SAMPLER: 'always_on' }, { trace_ratio: '0.5' }, 0.5, true],
])('%j %j traces a share of %d, followed: %s', (env, overrides, ratio, followsCaller) => {
  const { tracing, mistakes } = read({ ...HERE, ...env }, overrides);
  expect(tracing).toMatchObject({ ratio, followsCaller });
  expect(mistakes).toEqual([]);
});

test.each([
  [{}, ['tracecontext']],
  [{ OTEL_PROPAGATORS: 'tracecontext,baggage' }, ['tracecontext']],
  [{ OTEL_PROPAGATORS: 'b3multi, tracecontext,b3' }, ['b3multi', 'tracecontext', 'b3']],
  [{ OTEL_PROPAGATORS: 'none' }, []],
])('%j has callers read by %j', (env, propagators) => {
  expect(read({ ...HERE, ...env })).toMatchObject({ tracing: { propagators }, warnings: [] });
});

test('an unknown propagator is a warning, and the others are taken', () => {
  const { tracing, warnings } = read({ ...HERE, OTEL_PROPAGATORS: 'xray,b3' });
  expect(tracing?.propagators).toEqual(['b3']);
  expect(warnings).toEqual([expect.stringContaining('xray')]);
});

test('an unknown sampler is a warning, and the default is taken', () => {
  const { tracing, warnings } = read({ ...HERE, OTEL_TRACES_SAMPLER: 'jaeger_remote' });
  expect(tracing).toMatchObject({ ratio: 0.01, followsCaller: true });
  expect(warnings).toEqual([expect.stringContaining('jaeger_remote')]);
});

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, {}, 'OTEL_EXPORTER_OTLP_ENDPOINT'],
  [{ ...HERE, OTEL_EXPORTER_OTLP_HEADERS: 'no pair' }, {}, 'OTEL_EXPORTER_OTLP_HEADERS'],
  [{ ...HERE, OTEL_RESOURCE_ATTRIBUTES: 'a=%E0%A4%A' }, {}, 'OTEL_RESOURCE_ATTRIBUTES'],
  [
    { ...HERE, OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' },
    {},
    'OTEL_TRACES_SAMPLER_ARG',
  ],
  [
    { ...HERE, OTEL_EXPORTER_OTLP_CERTIFICATE: '/not/there.pem' },
    {},
    'OTEL_EXPORTER_OTLP_CERTIFICATE',
  ],
  [HERE, { trace_ratio: '1.5' }, '--trace-ratio'],
  [{}, { otlp_endpoint: 'http://user:secret@collector' }, 'otlp_endpoint'],
  [{}, { otlp_protocol: 'thrift' }, '--otlp-protocol'],
  [GRPC, { otlp_endpoint: 'user:secret@collector:4317' }, 'otlp_endpoint'],
  [GRPC, { otlp_endpoint: 'xds:///collector' }, 'otlp_endpoint'],
  [GRPC, { otlp_endpoint: 'unix://host/run/otlp.sock' }, 'otlp_endpoint'],
  [GRPC, { otlp_endpoint: 'http://c', otlp_headers: 'x y=1' }, 'otlp_headers'],
  [GRPC, { otlp_endpoint: 'http://c', otlp_headers: 'x=%C3%BC' }, 'otlp_headers'],
  [
    { OTEL_EXPORTER_OTLP_CLIENT_KEY: import.meta.filename },
    { otlp_endpoint: 'https://c' },
    'OTEL_EXPORTER_OTLP_CLIENT_KEY',
  ],
])('%j %j is a mistake of %s', (env, overrides, where) => {
  expect(read(env, overrides).mistakes).toEqual([where]);
});
