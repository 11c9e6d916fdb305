import { expect, test } from 'vitest';
import type { TracedCall } from '../../src/call/request-trace.ts';
import { callAttributes, nodeAttributes } from '../../src/telemetry/span-attributes.ts';

const METHOD = '/p.Service/Method';

const callOf = (more: Partial<TracedCall>): TracedCall => ({
  path: METHOD,
  startedAtMs: 0,
  rowCount: 0,
  featureCount: 0,
  lostCount: 0,
  authority: '',
  peer: '',
  trace: undefined,
  metadata: () => 'application/grpc+proto',
  ...more,
});
const RPC = { 'rpc.system.name': 'grpc', 'rpc.method': METHOD.slice(1) };

test.each([
  ['features.ml.svc:6566', { 'server.address': 'features.ml.svc', 'server.port': 6566 }],
  ['features', { 'server.address': 'features' }],
  ['[2001:db8::1]:80', { 'server.address': '2001:db8::1', 'server.port': 80 }],
  ['[2001:db8::1]', { 'server.address': '2001:db8::1' }],
  ['', {}],
  ['n'.repeat(300), { 'server.address': 'n'.repeat(255) }],
])('a server that is called %j is %j', (authority, expected) => {
  expect(callAttributes(callOf({ authority }), true)).toEqual({ ...RPC, ...expected });
});

const tcp = (address: string, type: string) => ({
  'client.address': address,
  'network.peer.address': address,
  'network.peer.port': 5123,
  'network.transport': 'tcp',
  'network.type': type,
});

test.each([
  ['10.0.0.7:5123', tcp('10.0.0.7', 'ipv4')],
  ['::ffff:10.0.0.7:5123', tcp('10.0.0.7', 'ipv4')],
  ['2001:db8::1:5123', tcp('2001:db8::1', 'ipv6')],
  ['unix socket', { 'network.transport': 'unix' }],
  ['gone', {}],
  ['', {}],
])('a caller at %j is %j', (peer, expected) => {
  expect(callAttributes(callOf({ peer }), true)).toEqual({ ...RPC, ...expected });
});

test('a method of HTTP that nobody knows is not repeated', () => {
  const http = { method: 'MADE-UP', scheme: 'https', version: '2', statusCode: undefined };
  expect(callAttributes(callOf({ path: '/push', http }), false)).toEqual({
    'http.request.method': '_OTHER',
    'http.route': '/push',
    'url.path': '/push',
    'url.scheme': 'https',
    'network.protocol.version': '2',
  });
});

test('one entity of a node of the store is no batch', () => {
  const read = { address: '/run/redis.sock', startedAtMs: 0, endedAtMs: 1, isAnswered: true };
  const attributes = { 'db.system.name': 'redis', 'server.address': '/run/redis.sock' };
  expect(nodeAttributes({ ...read, keyCount: 1 }, 'redis')).toEqual(attributes);
  expect(nodeAttributes({ ...read, keyCount: 2 }, 'redis')).toEqual({
    ...attributes,
    'db.operation.batch.size': 2,
  });
});
