import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import {
  Client,
  credentials,
  status,
  type Metadata,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { GetOnlineFeaturesRequestSchema } from '../../gen/feast/serving/ServingService_pb.ts';
import {
  OrcaLoadReportSchema,
  type OrcaLoadReport,
} from '../../gen/xds/data/orca/v3/orca_load_report_pb.ts';
import { OrcaLoadReportRequestSchema } from '../../gen/xds/service/orca/v3/orca_pb.ts';
import { serveFromSqlite } from '../support/made-repository.ts';
import type { RepositoryServer } from '../support/repository-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const READ = '/feast.serving.ServingService/GetOnlineFeatures';
const INFO = '/feast.serving.ServingService/GetFeastServingInfo';
const STREAM = '/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics';
const TRAILER = 'endpoint-load-metrics-bin';

let server: RepositoryServer;
let client: Client;
afterEach(async () => {
  client.close();
  await server.close();
});

async function start(settings: Readonly<Record<string, unknown>>): Promise<void> {
  server = await serveFromSqlite({ project: 'p', entityKeyVersion: 3, views: [] }, [], settings);
  client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
}

const asIs = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

/** How one call ends. */
function statusOf(path: string, bytes: Uint8Array): Promise<StatusObject> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, asIs, asIs, bytes, () => {}).on('status', resolve);
  });
}

/** The trailers of one call that goes well. */
async function callInfo(): Promise<Metadata> {
  const { code, metadata } = await statusOf(INFO, new Uint8Array());
  expect(code).toBe(status.OK);
  return metadata;
}

/** Listens to reports until `enough` says so, or the stream ends. */
function listen(
  intervalMs: number,
  enough: (report: OrcaLoadReport) => boolean,
): Promise<OrcaLoadReport[] | ServiceError> {
  const request = create(OrcaLoadReportRequestSchema, {
    reportInterval: durationFromMs(intervalMs),
  });
  const bytes = toBinary(OrcaLoadReportRequestSchema, request);
  const reports: OrcaLoadReport[] = [];
  const call = client.makeServerStreamRequest(STREAM, asIs, asIs, bytes);
  return new Promise((resolve) => {
    call.on('data', (message: Uint8Array) => {
      const report = fromBinary(OrcaLoadReportSchema, message);
      reports.push(report);
      if (!enough(report)) return;
      call.cancel();
      resolve(reports);
    });
    call.on('error', (error: ServiceError) => resolve(error));
  });
}

test('every call brings a report where that is wanted, of how busy the server is', async () => {
  await start({ load_reports: 'calls' });
  let report: OrcaLoadReport | undefined;
  await waitUntil(
    async () => {
      const [bytes] = (await callInfo()).get(TRAILER);
      report = fromBinary(OrcaLoadReportSchema, bytes as Buffer);
      return report.rpsFractional > 0;
    },
    { what: 'a report about these calls' },
  );
  const { applicationUtilization, cpuUtilization, memUtilization, eps } = report!;
  expect(applicationUtilization).toBeGreaterThan(0);
  expect(applicationUtilization).toBeLessThanOrEqual(1);
  expect(cpuUtilization).toBeGreaterThan(0);
  expect(memUtilization).toBeGreaterThan(0);
  expect(memUtilization).toBeLessThan(1);
  expect(eps).toBe(0);
});

test('a call that fails brings one too', async () => {
  await start({ load_reports: 'calls' });
  const unknown = toBinary(
    GetOnlineFeaturesRequestSchema,
    create(GetOnlineFeaturesRequestSchema, { kind: { case: 'featureService', value: 'none' } }),
  );
  for (const [path, code, bytes] of [
    [READ, status.NOT_FOUND, unknown],
    [STREAM, status.INVALID_ARGUMENT, Uint8Array.of(0xff)],
    ['/nowhere/Nothing', status.UNIMPLEMENTED, new Uint8Array()],
  ] as const) {
    const { code: found, metadata } = await statusOf(path, bytes);
    expect(found).toBe(code);
    expect(metadata.get(TRAILER)).toHaveLength(1);
  }
});

test('reports come as a stream: one at once, more as time goes', async () => {
  await start({ load_reports: 'stream' });
  expect((await callInfo()).get(TRAILER)).toEqual([]);
  let count = 0;
  const reports = await listen(1, () => ++count === 2);
  expect(reports).toHaveLength(2);
});

test('by default nothing is told', async () => {
  await start({});
  expect((await callInfo()).get(TRAILER)).toEqual([]);
  const answer = await listen(1, () => true);
  expect(answer).toMatchObject({ code: status.UNIMPLEMENTED });
});
