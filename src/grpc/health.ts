import {
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthCheckResponseSchema,
  HealthListRequestSchema,
  HealthListResponseSchema,
} from '../../gen/grpc/health/v1/health_pb.ts';
import { create, toBinary } from '@bufbuild/protobuf';
import {
  openToAll,
  parseMessage,
  unaryMethod,
  type GrpcService,
  type StreamingMethod,
} from './grpc-service.ts';
import { GrpcCode, GrpcStatusError } from './status.ts';

const HEALTH_SERVICE = 'grpc.health.v1.Health';

/** Whether this server, or one service of it, takes requests; shared by `grpc.health.v1`, Connect and `/readyz`. */
export interface HealthState {
  /** Names of services, '' for the server as a whole. */
  readonly serviceNames: readonly string[];
  isServing(): boolean;
  /** Changes the state of all services and tells those who watch. */
  setServing(serving: boolean): void;
  /** Calls back on each change. Returns the unsubscribe function. */
  onChange(listener: () => void): () => void;
}

/** A state that begins with NOT_SERVING. */
export function createHealthState(serviceNames: readonly string[]): HealthState {
  let serving = false;
  const listeners = new Set<() => void>();
  return {
    serviceNames: ['', ...serviceNames, HEALTH_SERVICE],
    isServing: () => serving,
    setServing(next: boolean): void {
      if (next === serving) return;
      serving = next;
      for (const listener of listeners) listener();
    },
    onChange(listener: () => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/**
 * `grpc.health.v1.Health`: Check, List and Watch per service
 * (https://github.com/grpc/grpc/blob/v1.60.0/doc/health-checking.md). Probes have no credentials.
 */
export function createHealthService(state: HealthState): GrpcService {
  const statusFor = (name: string): ServingStatus => {
    if (!state.serviceNames.includes(name)) return ServingStatus.SERVICE_UNKNOWN;
    return state.isServing() ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  };

  /** Sends the status now and whenever it changes; a service that is not known may become known, so it stays open. */
  const watch: StreamingMethod = (call, responses) => {
    let stop = (): void => {};
    call.signal.addEventListener('abort', () => stop(), { once: true });
    return {
      onMessage(message: Uint8Array): void {
        const { service } = parseMessage(HealthCheckRequestSchema, message);
        let last: ServingStatus | undefined;
        const report = (): void => {
          const status = statusFor(service);
          if (status === last) return;
          last = status;
          responses.send(
            toBinary(HealthCheckResponseSchema, create(HealthCheckResponseSchema, { status })),
          );
        };
        stop = state.onChange(report);
        report();
      },
      onEnd(): void {},
    };
  };

  return openToAll({
    name: HEALTH_SERVICE,
    methods: {
      Check: unaryMethod(HealthCheckRequestSchema, HealthCheckResponseSchema, ({ service }) => {
        const status = statusFor(service);
        if (status === ServingStatus.SERVICE_UNKNOWN) {
          throw new GrpcStatusError(GrpcCode.NOT_FOUND, `unknown service ${service}`);
        }
        return { status };
      }),
      List: unaryMethod(HealthListRequestSchema, HealthListResponseSchema, () => ({
        statuses: Object.fromEntries(
          state.serviceNames.map((name) => [name, { status: statusFor(name) }]),
        ),
      })),
      Watch: { kind: 'streaming', requests: 'one', open: watch },
    },
  });
}
