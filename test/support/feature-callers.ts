import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { GrpcFeatureServer } from '../../gen/feast/serving/GrpcServer_pb.ts';
import {
  FieldStatus,
  GetOnlineFeaturesRequestSchema,
  ServingService,
} from '../../gen/feast/serving/ServingService_pb.ts';

/** A protocol that features can be asked for over. */
export type CallerProtocol = 'grpc' | 'grpc-web' | 'connect' | 'connect-json' | 'http';
export const CALLER_PROTOCOLS = ['grpc', 'grpc-web', 'connect', 'connect-json', 'http'] as const;

/** What came of a call: `OK`, or the gRPC code (HTTP: the status) and what the caller is told. */
export interface CallOutcome {
  readonly code: string;
  readonly message: string;
}

/** How somebody asks a server whose drivers have the feature `trips`. */
export interface FeatureCaller {
  /** @param what a list of feature references, or the name of a feature service */
  read(what: readonly string[] | string): Promise<CallOutcome>;
  write(viewName: string): Promise<CallOutcome>;
  push(pushSourceName: string): Promise<CallOutcome>;
}

/** Calls a server over one of its protocols; `authorization` is the whole header, `undefined` = none. */
export function createFeatureCaller(
  protocol: CallerProtocol,
  baseUrl: string,
  authorization: string | undefined,
): FeatureCaller {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
  return protocol === 'http'
    ? createHttpCaller(baseUrl, headers)
    : createRpcCaller(transportOf(protocol, baseUrl), headers);
}

export function transportOf(protocol: Exclude<CallerProtocol, 'http'>, baseUrl: string): Transport {
  switch (protocol) {
    case 'grpc':
      return createGrpcTransport({ baseUrl });
    case 'grpc-web':
      return createGrpcWebTransport({ baseUrl, httpVersion: '1.1' });
    case 'connect':
      return createConnectTransport({ baseUrl, httpVersion: '1.1' });
    case 'connect-json':
      return createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false });
  }
}

/** What came of a call through a client of the Connect library. */
export async function outcomeOf(call: Promise<unknown>): Promise<CallOutcome> {
  try {
    await call;
    return { code: 'OK', message: '' };
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    return { code: Code[code], message: rawMessage };
  }
}

const int64 = (value: bigint) => ({ val: { case: 'int64Val' as const, value } });

function createRpcCaller(transport: Transport, headers: Record<string, string>): FeatureCaller {
  const reader = createClient(ServingService, transport);
  const writer = createClient(GrpcFeatureServer, transport);
  const features = () => ({
    driver_id: int64(7n),
    trips: int64(7n),
    event_timestamp: { val: { case: 'unixTimestampVal' as const, value: 1_735_689_600n } },
  });
  return {
    read: (what) =>
      outcomeOf(
        (async () => {
          const answer = await reader.getOnlineFeatures(
            create(GetOnlineFeaturesRequestSchema, {
              kind:
                typeof what === 'string'
                  ? { case: 'featureService', value: what }
                  : { case: 'features', value: { val: [...what] } },
              entities: { driver_id: { val: [int64(7n)] } },
            }),
            { headers },
          );
          const [status] = answer.results.at(-1)!.statuses;
          if (status !== FieldStatus.PRESENT) throw new Error(`the answer has status ${status}`);
        })(),
      ),
    write: (featureViewName) =>
      outcomeOf(
        writer.writeToOnlineStore(
          { featureViewName, typedFeatures: features(), allowRegistryCache: true },
          { headers },
        ),
      ),
    push: (streamFeatureView) =>
      outcomeOf(
        writer.push(
          {
            streamFeatureView,
            to: 'online',
            typedFeatures: features(),
            allowRegistryCache: true,
          },
          { headers },
        ),
      ),
  };
}

function createHttpCaller(baseUrl: string, headers: Record<string, string>): FeatureCaller {
  const post = async (path: string, body: unknown): Promise<CallOutcome> => {
    const response = await fetch(baseUrl + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return response.ok
      ? { code: 'OK', message: '' }
      : { code: String(response.status), message: text };
  };
  const df = { driver_id: [7], trips: [7], event_timestamp: ['2025-01-01T00:00:00Z'] };
  return {
    read: (what) =>
      post('/get-online-features', {
        ...(typeof what === 'string' ? { feature_service: what } : { features: what }),
        entities: { driver_id: [7] },
      }),
    write: (name) => post('/write-to-online-store', { feature_view_name: name, df }),
    push: (name) => post('/push', { push_source_name: name, df, to: 'online' }),
  };
}
