/**
 * A server for the conformance suite to test: `ConformanceService` on our port, HTTP/2 engine, gRPC dispatcher and Connect
 * exchanges. The suite's runner starts it, says on stdin what it wants, and reads on stdout where it listens.
 *
 * usage: conformance-server.ts DESCRIPTORS [own|builtin]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '@bufbuild/protobuf';
import { createDispatcher } from '../../../src/grpc/dispatch.ts';
import { createStreamListener } from '../../../src/http/stream-exchange.ts';
import { createBuiltinEngine } from '../../../src/http2/builtin-engine.ts';
import { DEFAULT_LIMITS } from '../../../src/http2/default-limits.ts';
import { createEngine } from '../../../src/http2/engine.ts';
import { openPort } from '../../../src/port/port.ts';
import { readServerCertificate } from '../../../src/tls/server-certificate.ts';
import type { TlsServerOptions } from '../../../src/tls/tls-server.ts';
import { loadConformanceProtos } from './conformance-protos.ts';
import { createConnectConformance } from './over-connect.ts';
import { createGrpcConformance } from './over-grpc.ts';

const HOST = '127.0.0.1';
const LENGTH_BYTES = 4;
/** What a message may have where the suite does not say. */
const MAX_REQUEST_BYTES = 16 * 1024 * 1024;

/** `ServerCompatRequest` in JSON; bytes are base64. */
interface Wanted {
  readonly useTls?: boolean;
  readonly clientTlsCert?: string;
  readonly messageReceiveLimit?: number;
  readonly serverCreds?: { readonly cert: string; readonly key: string };
}

const protos = loadConformanceProtos(process.argv[2]!);
const wanted = protos.decode(
  protos.message('ServerCompatRequest'),
  await readFramed(process.stdin),
) as Wanted;
const maxRequestBytes = wanted.messageReceiveLimit ?? MAX_REQUEST_BYTES;

const handler = createConnectConformance(protos, maxRequestBytes);
const overGrpc = createGrpcConformance(protos);
const dispatcher = createDispatcher({
  services: [overGrpc.service],
  limits: { maxRequestBytes, defaultDeadlineMs: 0, maxConcurrentRequests: 1000 },
  observer: { inFlightCount: 0, receivedMessageCount: 0, sentMessageCount: 0, onCallEnd: () => {} },
  otherwise: createStreamListener(handler),
});
const listener = overGrpc.observe(dispatcher.listener);
const create = process.argv[3] === 'builtin' ? createBuiltinEngine : createEngine;
const engine = create(DEFAULT_LIMITS, listener);
const tls = wanted.useTls === true ? await tlsOptions(wanted) : undefined;
const { address } = await openPort({ host: HOST, port: 0, engine, handler, tls });

const answer: JsonObject = { host: HOST, port: address.port };
if (wanted.serverCreds !== undefined) answer['pemCert'] = wanted.serverCreds.cert;
const bytes = protos.encode(protos.message('ServerCompatResponse'), answer);
const prefix = Buffer.alloc(LENGTH_BYTES);
prefix.writeUInt32BE(bytes.length);
process.stdout.write(Buffer.concat([prefix, bytes]));

async function readFramed(stream: AsyncIterable<Buffer>): Promise<Uint8Array> {
  let received = Buffer.alloc(0);
  for await (const chunk of stream) {
    received = Buffer.concat([received, chunk]);
    if (received.length < LENGTH_BYTES) continue;
    const end = LENGTH_BYTES + received.readUInt32BE();
    if (received.length >= end) return received.subarray(LENGTH_BYTES, end);
  }
  throw new Error('stdin ended before the request');
}

/** Through files, as an operator gives them. */
async function tlsOptions({ serverCreds, clientTlsCert }: Wanted): Promise<TlsServerOptions> {
  const folder = mkdtempSync(join(tmpdir(), 'sideboard-conformance-'));
  const file = (name: string, base64: string): string => {
    const path = join(folder, name);
    writeFileSync(path, Buffer.from(base64, 'base64'), { mode: 0o600 });
    return path;
  };
  try {
    const certificate = await readServerCertificate({
      certFile: file('server.crt', serverCreds!.cert),
      keyFile: file('server.key', serverCreds!.key),
      clientCaFile: clientTlsCert === undefined ? undefined : file('client.crt', clientTlsCert),
      minVersion: 'TLSv1.2',
    });
    return {
      certificate,
      clientsNeedCertificate: clientTlsCert !== undefined,
      clientNames: [],
      onFailure: () => {},
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
