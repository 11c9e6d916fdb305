import { setTimeout as delay } from 'node:timers/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack, durationMs } from '@bufbuild/protobuf/wkt';
import { status, type ServiceError } from '@grpc/grpc-js';
import type { ExportResponse, IExporterTransport } from '@opentelemetry/otlp-exporter-base';
import { RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import type { TracingConfig } from '../config/config.ts';
import { stampOf } from '../file-stamp.ts';
import { createOtlpGrpcClient, type OtlpGrpcClient } from './otlp-grpc-client.ts';

/** Codes after which the same may be sent again (https://opentelemetry.io/docs/specs/otlp/#failures). */
const RETRYABLE: ReadonlySet<status> = new Set([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);
/** After these what the connection is, or shows of itself, may be to blame. */
const RECONNECTED: ReadonlySet<status> = new Set([status.DEADLINE_EXCEEDED, status.UNAVAILABLE]);

const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 5_000;
const BACKOFF_FACTOR = 1.5;
const JITTER = 0.2;
/** A receiver that wants to be asked at once is not asked sooner. */
const MIN_BACKOFF_MS = 100;
/** Of what a receiver says, in the log. */
const MAX_REASON_LENGTH = 300;

/**
 * Sends batches to an OTLP/gRPC receiver, again where the protocol has it so, until their time is over. The connection is
 * made with the first of them, and anew when the files of its certificates have changed, and after one that failed: a connection
 * that nobody answers on is left.
 */
export class OtlpGrpcTransport implements IExporterTransport {
  readonly #config: TracingConfig;
  readonly #files: readonly string[];
  readonly #closing = new AbortController();
  #client: OtlpGrpcClient | undefined;
  /** Of the files, when `#client` was made. */
  #stamp = '';

  constructor(config: TracingConfig) {
    this.#config = config;
    this.#files = Object.values(config.tls).filter((path) => path !== undefined);
  }

  async send(data: Uint8Array, timeoutMillis: number): Promise<ExportResponse> {
    const deadlineAtMs = Date.now() + timeoutMillis;
    let client: OtlpGrpcClient | undefined;
    for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs = nextBackoff(backoffMs)) {
      try {
        const stamp = await stampOf(this.#files);
        this.#closing.signal.throwIfAborted();
        client = this.#connect(stamp);
        return { status: 'success', data: await client.send(data, deadlineAtMs) };
      } catch (error) {
        const waitMs = retryDelayMs(error as Partial<ServiceError>, backoffMs);
        const isLast = waitMs === undefined || Date.now() + waitMs >= deadlineAtMs;
        if (isLast || this.#closing.signal.aborted) {
          if (client !== undefined) this.#leave(client, error as Partial<ServiceError>);
          return { status: 'failure', error: new Error(reasonOf(error as ServiceError)) };
        }
        await delay(waitMs, undefined, { signal: this.#closing.signal }).catch(() => {});
      }
    }
  }

  shutdown(): void {
    this.#closing.abort();
    this.#client?.close();
  }

  #connect(stamp: string): OtlpGrpcClient {
    const before = this.#client;
    if (before !== undefined && stamp === this.#stamp) return before;
    try {
      this.#client = createOtlpGrpcClient(this.#config, this.#closing.signal);
      this.#stamp = stamp;
      before?.retire();
      return this.#client;
    } catch (error) {
      // Certificates and keys are written one after the other: the next look finds them all.
      if (before === undefined) throw error;
      return before;
    }
  }

  #leave(client: OtlpGrpcClient, { code }: Partial<ServiceError>): void {
    if (code === undefined || !RECONNECTED.has(code) || this.#client !== client) return;
    this.#client = undefined;
    client.close();
  }
}

function nextBackoff(backoffMs: number): number {
  return Math.min(backoffMs * BACKOFF_FACTOR, MAX_BACKOFF_MS);
}

/** When to send again; `undefined` = it is of no use. What the receiver says of it wins over our own backoff. */
function retryDelayMs(
  { code, metadata }: Partial<ServiceError>,
  backoffMs: number,
): number | undefined {
  const wishMs = metadata === undefined ? undefined : retryInfoMs(metadata);
  if (wishMs !== undefined && (code === status.RESOURCE_EXHAUSTED || isRetryable(code))) {
    return Math.max(wishMs, MIN_BACKOFF_MS);
  }
  return isRetryable(code) ? backoffMs * (1 + JITTER * (2 * Math.random() - 1)) : undefined;
}

function isRetryable(code: status | undefined): boolean {
  return code !== undefined && RETRYABLE.has(code);
}

/** `google.rpc.RetryInfo` among the details of a status. */
function retryInfoMs(metadata: ServiceError['metadata']): number | undefined {
  const [bytes] = metadata.get('grpc-status-details-bin');
  if (!(bytes instanceof Uint8Array)) return undefined;
  try {
    for (const detail of fromBinary(StatusSchema, bytes).details) {
      const info = anyUnpack(detail, RetryInfoSchema);
      if (info?.retryDelay !== undefined) return durationMs(info.retryDelay);
    }
  } catch {
    // A receiver that says it wrong has not said it.
  }
  return undefined;
}

/** Why nothing was taken, for the log. */
export function reasonOf({ code, details, message }: Partial<ServiceError>): string {
  if (code === undefined) return message ?? 'unknown';
  // grpc-js ends some of them with a heading under which there is nothing.
  const text = (details ?? '').replace(/ Resolution note: *$/, '');
  return `${status[code]}: ${text.slice(0, MAX_REASON_LENGTH)}`;
}
