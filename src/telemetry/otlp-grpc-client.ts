import { readFileSync } from 'node:fs';
import {
  Client,
  compressionAlgorithms,
  credentials,
  Metadata,
  type ChannelCredentials,
} from '@grpc/grpc-js';
import type { TracingConfig } from '../config/config.ts';
import { VERSION } from '../version.ts';

const METHOD = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

/** A connection to an OTLP/gRPC receiver. */
export interface OtlpGrpcClient {
  /**
   * Sends one serialized `ExportTraceServiceRequest`, once.
   *
   * @param deadlineAtMs milliseconds since the epoch
   * @returns the serialized `ExportTraceServiceResponse`
   * @throws ServiceError of grpc-js (by rejection)
   */
  send(request: Uint8Array, deadlineAtMs: number): Promise<Uint8Array>;
  /** Sends no more; what is on its way goes on. */
  retire(): void;
  /** Also ends what is being sent. */
  close(): void;
}

/**
 * Connects, with the first message, to the receiver of a configuration whose protocol is `grpc`.
 *
 * @param signal ends what is being sent, also after `retire`
 * @throws Error when the files for TLS cannot be used
 */
export function createOtlpGrpcClient(config: TracingConfig, signal?: AbortSignal): OtlpGrpcClient {
  const client = new Client(targetOf(config.url), credentialsOf(config), {
    'grpc.default_compression_algorithm':
      config.compression === 'gzip' ? compressionAlgorithms.gzip : compressionAlgorithms.identity,
    'grpc.primary_user_agent': `sideboard/${VERSION}`,
    // The default is minutes: a receiver that is back would be left alone for as long.
    'grpc.initial_reconnect_backoff_ms': 500,
    'grpc.max_reconnect_backoff_ms': 5000,
    // Else the next client would get this one's connection, whatever state that is in.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
  });
  const metadata = metadataOf(config.headers);
  const closing = new AbortController();
  const ended = signal === undefined ? closing.signal : AbortSignal.any([closing.signal, signal]);
  return {
    send(request, deadlineAtMs) {
      ended.throwIfAborted();
      return new Promise((resolve, reject) => {
        const cancel = (): void => call.cancel();
        const call = client.makeUnaryRequest(
          METHOD,
          (message: Uint8Array) => Buffer.from(message.buffer, message.byteOffset, message.length),
          (bytes: Buffer) => bytes,
          request,
          metadata,
          { deadline: deadlineAtMs },
          (error, response) => {
            ended.removeEventListener('abort', cancel);
            if (error === null) resolve(response ?? new Uint8Array());
            else reject(error);
          },
        );
        ended.addEventListener('abort', cancel, { once: true });
      });
    },
    retire: () => client.close(),
    close() {
      closing.abort();
      client.close();
    },
  };
}

/** As grpc-js names it. A URL without a port has the one of its scheme, as URLs do. */
function targetOf(url: string): string {
  const { protocol, hostname, port } = new URL(url);
  if (protocol === 'unix:') return url;
  return `dns:${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`;
}

function credentialsOf({ url, tls }: TracingConfig): ChannelCredentials {
  if (!url.startsWith('https:')) return credentials.createInsecure();
  const contentOf = (path: string | undefined): Buffer | null =>
    path === undefined ? null : readFileSync(path);
  return credentials.createSsl(
    contentOf(tls.caFile),
    contentOf(tls.keyFile),
    contentOf(tls.certFile),
  );
}

/** Binary metadata are given in base64, as they are sent. */
function metadataOf(headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) {
    metadata.set(name, name.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
  }
  return metadata;
}
