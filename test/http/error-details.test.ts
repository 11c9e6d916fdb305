import { createClient, ConnectError, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { afterEach, expect, test } from 'vitest';
import { ServingService } from '../../gen/feast/serving/ServingService_pb.ts';
import { ErrorInfoSchema, RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import type { AdmissionGate } from '../../src/admission/admission-gate.ts';
import { OverloadedError } from '../../src/errors.ts';
import { startFeatureServer, type FeatureServer } from './feature-server.ts';

let server: FeatureServer;
afterEach(() => server.close());

const TRANSPORTS: readonly [string, () => Transport][] = [
  ['gRPC', () => createGrpcTransport({ baseUrl: server.http2Url })],
  ['Connect', () => createConnectTransport({ baseUrl: server.url, httpVersion: '1.1' })],
  ['gRPC-Web', () => createGrpcWebTransport({ baseUrl: server.url, httpVersion: '1.1' })],
];

/** What asking for a feature service ends with. */
async function failure(transport: Transport, name: string): Promise<ConnectError> {
  const question = {
    kind: { case: 'featureService' as const, value: name },
    entities: { driver_id: { val: [{ val: { case: 'int64Val' as const, value: 1001n } }] } },
  };
  const client = createClient(ServingService, transport);
  return client.getOnlineFeatures(question).then(
    () => Promise.reject(new Error('it answered')),
    (error: unknown) => ConnectError.from(error),
  );
}

test.each(TRANSPORTS)('over %s an error brings its code for programs', async (_, open) => {
  server = await startFeatureServer();
  const error = await failure(open(), 'nobody');
  expect(error.findDetails(ErrorInfoSchema)).toMatchObject([
    { reason: 'FEATURE_SERVICE_NOT_FOUND', domain: 'sideboard' },
  ]);
  expect(error.findDetails(RetryInfoSchema)).toEqual([]);
});

test.each(TRANSPORTS)('over %s a refusal says when to come back', async (_, open) => {
  const refusal = new OverloadedError('full', 1250);
  const gate: AdmissionGate = {
    enter: (entrant) => entrant.refuse(refusal),
    isCrowded: false,
    turnAway: () => undefined,
    leave: () => {},
    limit: 0,
    withdraw() {},
    waitingCount: 0,
    refusedCount: { limit: 0, deadline: 0 },
  };
  server = await startFeatureServer({ handler: { gate } });
  for (let i = 0; i < 2; i++) {
    const error = await failure(open(), 'driver_service');
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: 'OVERLOADED' }]);
    expect(error.findDetails(RetryInfoSchema)).toMatchObject([
      { retryDelay: { seconds: 1n, nanos: 250_000_000 } },
    ]);
  }
});
