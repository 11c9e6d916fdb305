import { create, toBinary } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { OrcaLoadReportSchema } from '../../gen/xds/data/orca/v3/orca_load_report_pb.ts';
import { OrcaLoadReportRequestSchema } from '../../gen/xds/service/orca/v3/orca_pb.ts';
import { parseMessage, type GrpcService, type StreamingMethod } from './grpc-service.ts';

export const LOAD_REPORT_SERVICE = 'xds.service.orca.v3.OpenRcaService';

/**
 * Trailer of a call: a load report in base64
 * (https://github.com/grpc/proposal/blob/master/A51-custom-backend-metrics.md).
 */
export const LOAD_REPORT_TRAILER = 'endpoint-load-metrics-bin';

/** Whoever asks for reports more often gets them this often; whoever does not say how often, too (A51 has the same 30 s). */
const MIN_INTERVAL_MS = 1000;
const DEFAULT_INTERVAL_MS = 30_000;
/** Timers of Node hold at most this. */
const MAX_INTERVAL_MS = 2 ** 31 - 1;

/** How busy a server is. The same object as long as nothing was measured anew. */
export interface LoadFigures {
  /** Share of time that the event loop works, 0 to 1: at 1 the process takes no more. */
  readonly applicationUtilization: number;
  /** Processors that the process uses; its threads may bring it above 1. */
  readonly cpuUtilization: number;
  /** Share of the memory of the machine, or of the container, 0 to 1. */
  readonly memoryUtilization: number;
  readonly requestsPerSecond: number;
  /** Those that failed by the server's doing. */
  readonly errorsPerSecond: number;
}

/** ORCA load reports of one server. */
export interface LoadReports {
  /** The present report for `LOAD_REPORT_TRAILER`; the same text as long as it is the same report. */
  trailer(): string;
  /** Reports as a stream, apart from calls. */
  readonly service: GrpcService;
}

/** @param measure the figures of now, on the clock of `performance.now()` */
export function createLoadReports(measure: (nowMs: number) => LoadFigures): LoadReports {
  let written: LoadFigures | undefined;
  let text = '';

  /** A report at once, then one in every interval, for as long as the caller listens. */
  const stream: StreamingMethod = (call, responses) => {
    let timer: NodeJS.Timeout | undefined;
    const stop = (): void => clearInterval(timer);
    call.signal.addEventListener('abort', stop, { once: true });
    const report = (): void => responses.send(encode(measure(performance.now())));
    return {
      onMessage(message): void {
        const { reportInterval } = parseMessage(OrcaLoadReportRequestSchema, message);
        const wantedMs =
          reportInterval === undefined ? DEFAULT_INTERVAL_MS : durationMs(reportInterval);
        timer = setInterval(report, Math.min(Math.max(wantedMs, MIN_INTERVAL_MS), MAX_INTERVAL_MS));
        timer.unref();
        report();
      },
      onEnd(): void {},
    };
  };

  return {
    trailer(): string {
      const figures = measure(performance.now());
      if (figures !== written) {
        written = figures;
        // Padding is optional in binary metadata, and not every reader takes it.
        text = Buffer.from(encode(figures)).toString('base64').replace(/=+$/, '');
      }
      return text;
    },
    service: {
      name: LOAD_REPORT_SERVICE,
      methods: { StreamCoreMetrics: { kind: 'streaming', requests: 'one', open: stream } },
    },
  };
}

function encode(figures: LoadFigures): Uint8Array {
  const report = create(OrcaLoadReportSchema, {
    applicationUtilization: figures.applicationUtilization,
    cpuUtilization: figures.cpuUtilization,
    memUtilization: figures.memoryUtilization,
    rpsFractional: figures.requestsPerSecond,
    eps: figures.errorsPerSecond,
  });
  return toBinary(OrcaLoadReportSchema, report);
}
