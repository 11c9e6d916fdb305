import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, status, type ServerUnaryCall } from '@grpc/grpc-js';
import { tableFromArrays, tableToIPC } from 'apache-arrow';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  TransformFeaturesRequestSchema,
  TransformFeaturesResponseSchema,
  type TransformFeaturesRequest,
} from '../../gen/feast/serving/TransformationService_pb.ts';
import { CallerAbort } from '../../src/call/caller-signal.ts';
import { isSideboardError } from '../../src/errors.ts';
import { readValue } from '../../src/feast-encoding/value-reader.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import type { OnDemandCall } from '../../src/retrieval/on-demand-plan.ts';
import type { TransformationClient } from '../../src/transformation/open-transformation.ts';
import { createTransformationClient } from '../../src/transformation/transformation-client.ts';
import { waitUntil } from '../support/wait-until.ts';

/** A server that does what a test needs and Feast's does not: say who calls, be late, refuse. */
interface Stand {
  readonly port: number;
  readonly peers: Set<string>;
  readonly requests: TransformFeaturesRequest[];
  cancelled: number;
  /** Bytes of the answer, an error code, or no answer ever. */
  answer: Uint8Array | number | 'never';
  stop(): void;
}

async function startStand(port = 0): Promise<Stand> {
  const server = new Server();
  const handle = (
    call: ServerUnaryCall<TransformFeaturesRequest, Uint8Array>,
    reply: (error: { code: number; details: string } | null, value?: Uint8Array) => void,
  ): void => {
    stand.peers.add(call.getPeer());
    stand.requests.push(call.request);
    call.on('cancelled', () => stand.cancelled++);
    if (stand.answer === 'never') return;
    if (typeof stand.answer === 'number') reply({ code: stand.answer, details: 'secret 70' });
    else reply(null, stand.answer);
  };
  server.addService(
    {
      TransformFeatures: {
        path: '/feast.serving.TransformationService/TransformFeatures',
        requestStream: false,
        responseStream: false,
        requestSerialize: (bytes: Buffer) => bytes,
        requestDeserialize: (bytes: Buffer) => fromBinary(TransformFeaturesRequestSchema, bytes),
        responseSerialize: (bytes: Uint8Array) => Buffer.from(bytes),
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    },
    { TransformFeatures: handle },
  );
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    );
  });
  const stand: Stand = {
    port: bound,
    peers: new Set(),
    requests: [],
    cancelled: 0,
    answer: 'never',
    stop: () => server.forceShutdown(),
  };
  return stand;
}

const CALL: OnDemandCall = {
  project: 'shop',
  viewName: 'view',
  rowCount: 1,
  inputs: [],
  outputs: [{ name: 'out', valueType: ValueType.INT64 }],
};
const SEVEN = toBinary(
  TransformFeaturesResponseSchema,
  create(TransformFeaturesResponseSchema, {
    transformationOutput: {
      value: {
        case: 'arrowValue',
        value: tableToIPC(tableFromArrays({ view__out: BigInt64Array.of(7n) }), 'file'),
      },
    },
  }),
);
const NO_LIMITS = { deadlineAtMs: Infinity };

let stand: Stand;
let client: TransformationClient;
beforeEach(async () => {
  stand = await startStand();
  client = createTransformationClient(`127.0.0.1:${stand.port}`, 1 << 20);
});
afterEach(() => {
  void client.close();
  stand.stop();
});

const codeOf = (failed: Promise<unknown>): Promise<unknown> =>
  failed.then(
    () => 'none',
    (error: unknown) => (isSideboardError(error) ? error.code : error),
  );

test('all calls go over one connection, each with view and project', async () => {
  stand.answer = SEVEN;
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => client.transform(CALL, NO_LIMITS)),
  );
  answers.push(await client.transform(CALL, NO_LIMITS));
  for (const columns of answers) expect(readValue(columns[0]![0]!).value).toBe(7n);
  expect(stand.peers.size).toBe(1);
  expect(stand.requests).toHaveLength(21);
  expect(stand.requests[0]).toMatchObject({ onDemandFeatureViewName: 'view', project: 'shop' });
});

test('a caller who leaves ends the call there too', async () => {
  const signal = new CallerAbort();
  const code = codeOf(client.transform(CALL, { ...NO_LIMITS, signal }));
  await waitUntil(() => stand.requests.length === 1, { what: 'the call' });
  signal.abort();
  expect(await code).toBe('CANCELLED');
  await waitUntil(() => stand.cancelled === 1, { what: 'the cancellation' });
  expect(await codeOf(client.transform(CALL, { ...NO_LIMITS, signal }))).toBe('CANCELLED');
  expect(stand.requests).toHaveLength(1);
});

test('the deadline of the caller is that of the call', async () => {
  const deadlineAtMs = performance.now() + 200;
  expect(await codeOf(client.transform(CALL, { deadlineAtMs }))).toBe('DEADLINE_EXCEEDED');
  await waitUntil(() => stand.cancelled === 1, { what: 'the end of the call' });
});

test.each([
  [status.UNKNOWN, 'TRANSFORMATION_FAILED'],
  [status.INVALID_ARGUMENT, 'TRANSFORMATION_FAILED'],
  [status.RESOURCE_EXHAUSTED, 'MESSAGE_TOO_LARGE'],
  [status.UNAVAILABLE, 'TRANSFORMATION_UNAVAILABLE'],
])('what it answers with code %i is %s, without its text', async (code, expected) => {
  stand.answer = code;
  const failed = client.transform(CALL, NO_LIMITS);
  expect(await codeOf(failed)).toBe(expected);
  await expect(failed).rejects.not.toThrow('secret');
});

test('an answer that is larger than ours may be is not taken', async () => {
  stand.answer = new Uint8Array(2 << 20);
  expect(await codeOf(client.transform(CALL, NO_LIMITS))).toBe('MESSAGE_TOO_LARGE');
});

test('a server that is back is found again', async () => {
  stand.answer = SEVEN;
  await client.transform(CALL, NO_LIMITS);
  stand.stop();
  await waitUntil(
    async () => (await codeOf(client.transform(CALL, NO_LIMITS))) === 'TRANSFORMATION_UNAVAILABLE',
    { what: 'the end of the server' },
  );
  stand = await startStand(stand.port);
  stand.answer = SEVEN;
  await waitUntil(async () => (await codeOf(client.transform(CALL, NO_LIMITS))) === 'none', {
    what: 'the server to be found',
    timeoutMs: 30_000,
  });
});
