import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Client, credentials, status, type Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import {
  OrcaLoadReportSchema,
  type OrcaLoadReport,
} from '../../gen/xds/data/orca/v3/orca_load_report_pb.ts';
import { OrcaLoadReportRequestSchema } from '../../gen/xds/service/orca/v3/orca_pb.ts';
import { serveFromSqlite } from '../support/made-repository.ts';
import type { RepositoryServer } from '../support/repository-server.ts';
import { waitUntil } from '../support/wait-until.ts';

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

/** The trailers of one call. */
function callInfo(): Promise<Metadata> {
  return new Promise((resolve, reject) => {
    const call = client.makeUnaryRequest(INFO, asIs, asIs, new Uint8Array(), (error) => {
      if (error !== null) reject(error);
    });
    call.on('status', ({ metadata }) => resolve(metadata));
  });
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
