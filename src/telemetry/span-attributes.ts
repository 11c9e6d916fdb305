import { isIPv6 } from 'node:net';
import type { Attributes } from '@opentelemetry/api';
import type { RequestTiming } from '../call/request-timing.ts';
import type { HttpFacts, TracedCall, TracedStatus } from '../call/request-trace.ts';
import { GrpcCode, grpcCodeName } from '../grpc/status.ts';
import { UNIX_PEER } from '../http2/peer-of.ts';
import type { NodeRead } from '../online-store/online-store.ts';

// Names of https://opentelemetry.io/docs/specs/semconv/ 1.45; sizes, addresses and names, and no value of an entity or a feature.

/** Longer names of a server are cut: they are whatever a caller sends. */
const MAX_NAME_LENGTH = 255;
/** What a caller may send as a method besides is `_OTHER`. */
const HTTP_METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
]);

/** What is known of a request when it is let in. @param isMethod of an RPC; else it is for a JSON route */
export function callAttributes(call: TracedCall, isMethod: boolean): Attributes {
  const { path, authority, peer, http } = call;
  const server = splitAddress(authority.slice(0, MAX_NAME_LENGTH));
  return {
    ...(isMethod ? methodAttributes(call) : routeAttributes(path, http)),
    ...(server.address === '' ? {} : { 'server.address': server.address }),
    ...(server.port === undefined ? {} : { 'server.port': server.port }),
    ...peerAttributes(peer),
  };
}

/** How a request ended. */
export interface AnsweredCall {
  readonly status: TracedStatus;
  readonly timing: RequestTiming;
  /** By the server's doing. */
  readonly isError: boolean;
  readonly isMethod: boolean;
}

/** What is known of a request when it is over. */
export function answerAttributes(
  { rowCount, featureCount, lostCount, http }: TracedCall,
  { status, timing: { responseBytes }, isError, isMethod }: AnsweredCall,
): Attributes {
  const code = grpcCodeName(status.code as GrpcCode);
  const statusCode = isMethod ? undefined : http?.statusCode;
  return {
    ...(isMethod ? { 'rpc.status_code': code } : {}),
    ...(statusCode === undefined ? {} : { 'http.response.status_code': statusCode }),
    ...(isError ? { 'error.type': statusCode === undefined ? code : String(statusCode) } : {}),
    'feast.rows': rowCount,
    'feast.features': featureCount,
    ...(lostCount === 0 ? {} : { 'feast.lost_values': lostCount }),
    ...(responseBytes < 0 ? {} : { 'feast.response_bytes': responseBytes }),
  };
}

/** Of what one node of the store was asked. */
export function nodeAttributes(
  { address, keyCount, isAnswered }: NodeRead,
  system: string,
): Attributes {
  const server = splitAddress(address);
  return {
    'db.system.name': system,
    // One is no batch.
    ...(keyCount > 1 ? { 'db.operation.batch.size': keyCount } : {}),
    'server.address': server.address,
    ...(server.port === undefined ? {} : { 'server.port': server.port }),
    ...(isAnswered ? {} : { 'error.type': grpcCodeName(GrpcCode.UNAVAILABLE) }),
  };
}

function methodAttributes(call: TracedCall): Attributes {
  const isGrpc = call.metadata('content-type')?.startsWith('application/grpc') === true;
  return {
    'rpc.system.name': isGrpc ? 'grpc' : 'connectrpc',
    'rpc.method': call.path.slice(1),
  };
}

function routeAttributes(path: string, http: HttpFacts | undefined): Attributes {
  if (http === undefined) return { 'http.route': path };
  const { method, scheme, version } = http;
  return {
    'http.request.method': httpMethod(method),
    'http.route': path,
    'url.path': path,
    'url.scheme': scheme,
    'network.protocol.version': version,
  };
}

export function httpMethod(method: string): string {
  return HTTP_METHODS.has(method) ? method : '_OTHER';
}

function peerAttributes(peer: string): Attributes {
  if (peer === UNIX_PEER) return { 'network.transport': 'unix' };
  const { address, port } = splitAddress(peer);
  if (port === undefined) return {};
  return {
    'client.address': address,
    'network.peer.address': address,
    'network.peer.port': port,
    'network.transport': 'tcp',
    'network.type': isIPv6(address) ? 'ipv6' : 'ipv4',
  };
}

interface Address {
  /** A name or an IP address, without the brackets of one of version 6. */
  readonly address: string;
  readonly port: number | undefined;
}

/** An address of version 4 on a socket of both versions is shown as what it is. */
function splitAddress(text: string): Address {
  const [, host = '', port] = /^(\[.*\]|.*?)(?::(\d+))?$/.exec(text) ?? [];
  return {
    address: host.replace(/^\[(.*)\]$/, '$1').replace(/^::ffff:(?=[\d.]+$)/, ''),
    port: port === undefined ? undefined : Number(port),
  };
}
