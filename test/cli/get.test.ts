import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { registerGet } from '../../src/cli/get.ts';
import { reportFailure } from '../../src/cli/report-failure.ts';
import { createDispatcher } from '../../src/grpc/dispatch.ts';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import { openPort, type Port } from '../../src/port/port.ts';
import { startFeatureServer, type FeatureServer } from '../http/feature-server.ts';

let http: FeatureServer;
let port: Port;
let address: string;

// The one port of the real server: gRPC and HTTP/1.1 told apart by their first bytes.
beforeAll(async () => {
  http = await startFeatureServer();
  const dispatcher = createDispatcher({
    services: http.services,
    limits: { maxRequestBytes: 1024 * 1024, defaultDeadlineMs: 0, maxConcurrentRequests: 100 },
    observer: { inFlightCount: 0, receivedMessageCount: 0, sentMessageCount: 0, onCallEnd() {} },
  });
  const engine = createEngine(DEFAULT_LIMITS, dispatcher.listener);
  const [handler] = http.server.listeners('request');
  port = await openPort({
    host: '127.0.0.1',
    port: 0,
    engine,
    handler: handler as Parameters<typeof openPort>[0]['handler'],
  });
  address = `127.0.0.1:${port.address.port}`;
});
afterAll(async () => {
  await port.drain(1000);
  await http.close();
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = 0;
});

/** Runs `sideboard get` in this process. */
async function get(...flags: string[]): Promise<{ out: string; err: string; exitCode: unknown }> {
  let out = '';
  let err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text);
    return true;
  });
  process.exitCode = 0;
  const program = new Command().exitOverride();
  registerGet(program);
  try {
    await program.parseAsync(['get', ...flags], { from: 'user' });
  } catch (error) {
    reportFailure(error);
  }
  return { out, err, exitCode: process.exitCode };
}

describe('sideboard get', () => {
  const question = ['--features', 'driver_stats:conv_rate,driver_stats:trips', 'driver_id=1001,7'];

  it.each(['grpc', 'connect', 'json'])(
    'asks over %s and prints the same answer',
    async (protocol) => {
      const { out, err, exitCode } = await get(
        '--server',
        address,
        '--protocol',
        protocol,
        '--json',
        ...question,
      );
      expect({ err, exitCode }).toEqual({ err: '', exitCode: 0 });
      const status = protocol === 'json' ? 'PRESENT' : 'OUTSIDE_MAX_AGE';
      const statuses = `["${status}","NOT_FOUND"]`;
      const times = '["2025-01-01T00:00:00.123Z","1970-01-01T00:00:00Z"]';
      const epochs = '["1970-01-01T00:00:00Z","1970-01-01T00:00:00Z"]';
      expect(out).toBe(
        '{"metadata":{"feature_names":["driver_id","conv_rate","trips"]},"results":[' +
          `{"values":[1001,7],"statuses":["PRESENT","PRESENT"],"event_timestamps":${epochs}},` +
          `{"values":[1.0,null],"statuses":${statuses},"event_timestamps":${times}},` +
          `{"values":[1152921504606846977,null],"statuses":${statuses},"event_timestamps":${times}}]}\n`,
      );
    },
  );

  it('prints a table', async () => {
    const { out, exitCode } = await get(
      '--server',
      `http://${address}`,
      '--feature-service',
      'driver_service',
      '--full-feature-names',
      'driver_id=1001',
    );
    expect(exitCode).toBe(0);
    expect(out).toMatch(/driver_stats__conv_rate/);
    expect(out).toMatch(/1\.0 {2}\(too old, \d+ d\)/);
  });

  it.each(['grpc', 'connect', 'json'])('says what the server refuses over %s', async (protocol) => {
    const { out, err, exitCode } = await get(
      '--server',
      address,
      '--protocol',
      protocol,
      '--feature-service',
      'nope',
      'driver_id=1',
    );
    expect(out).toBe('');
    expect(err).toMatch(/^sideboard: (NOT_FOUND|HTTP 404): .*nope does not exist in project rides/);
    expect(exitCode).toBe(2);
  });

  it.each(['grpc', 'connect', 'json'])('gives up at the deadline over %s', async (protocol) => {
    http.store.hold();
    const { err, exitCode } = await get(
      '--server',
      address,
      '--protocol',
      protocol,
      '--deadline-ms',
      '50',
      ...question,
    );
    http.store.release();
    expect(err).toMatch(/DEADLINE_EXCEEDED|HTTP 504|no answer within 50 ms/);
    expect(exitCode).toBe(1);
  });

  it.each(['grpc', 'connect', 'json'])(
    'says where it found no server over %s',
    async (protocol) => {
      const closed = await startFeatureServer();
      await closed.close();
      const { err, exitCode } = await get(
        '--server',
        `127.0.0.1:${closed.port}`,
        '--protocol',
        protocol,
        ...question,
      );
      expect(err).toMatch(
        /^sideboard: cannot reach http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*; start it with "sideboard serve", or name another with --server$/m,
      );
      expect(exitCode).toBe(1);
    },
  );

  it.each([
    [['driver_id=1'], /either --feature-service NAME or --features/],
    [['--feature-service', 's', '--features', 'v:f', 'driver_id=1'], /either --feature-service/],
    [['--features', 'v:f', 'driver_id'], /KEY=VALUE/],
    [['--features', 'v:f', '--protocol', 'soap', 'driver_id=1'], /grpc, connect, json/],
    [['--features', 'v:f', '--deadline-ms', '0', 'driver_id=1'], /--deadline-ms/],
    [['--features', 'v:f', '--server', 'http://', 'driver_id=1'], /--server/],
    [['--features', 'v:f', '--protocol', 'json', 'k:bytes=AP8='], /--protocol grpc/],
  ])('refuses %j', async (flags, message) => {
    const { out, err, exitCode } = await get('--server', address, ...flags);
    expect(err).toMatch(message);
    expect({ out, exitCode }).toEqual({ out: '', exitCode: 2 });
  });
});
