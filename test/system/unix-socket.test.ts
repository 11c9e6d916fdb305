import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary, create, toBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import {
  GetFeastServingInfoRequestSchema,
  GetFeastServingInfoResponseSchema,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import { openPort, type Port } from '../../src/port/port.ts';
import { startFeatureServer, type FeatureServer } from '../http/feature-server.ts';

const NODE = join(import.meta.dirname, '..', '..', 'node_modules', '.bin', 'node');

let folder: string;
let features: FeatureServer;
const ports: Port[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-unix-'));
  features = await startFeatureServer();
});
afterEach(async () => {
  for (const port of ports.splice(0)) await port.drain(100);
});
afterAll(async () => {
  await features.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(path: string, mode = 0o600): Promise<Port> {
  const engine = createEngine(DEFAULT_LIMITS, features.listener);
  const port = await openPort({
    host: '127.0.0.1',
    port: 0,
    unixSocket: { path, mode },
    engine,
    handler: features.handler,
  });
  ports.push(port);
  return port;
}

function get(socketPath: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: '/health' }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

it('speaks gRPC and HTTP, and its file is gone afterwards', async () => {
  const path = join(folder, 'both.sock');
  const port = await open(path);
  const client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure());
  const answer = await new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest(
      '/feast.serving.ServingService/GetFeastServingInfo',
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      Buffer.from(
        toBinary(GetFeastServingInfoRequestSchema, create(GetFeastServingInfoRequestSchema)),
      ),
      (error, bytes) => (error ? reject(error) : resolve(bytes!)),
    );
  });
  expect(fromBinary(GetFeastServingInfoResponseSchema, answer).version).toBe('0.0.0-test');
  expect(await get(path)).toBe(200);
  client.close();
  expect(await port.drain(1000)).toBe(0);
  expect(existsSync(path)).toBe(false);
});

it.each([0o600, 0o660, 0o666, 0o777])('has mode %o whatever the umask', async (mode) => {
  const before = process.umask(0o022);
  try {
    const path = join(folder, `mode-${mode}.sock`);
    await open(path, mode);
    expect(statSync(path).mode & 0o777).toBe(mode);
    expect(process.umask()).toBe(0o022);
  } finally {
    process.umask(before);
  }
});

it('takes the place of a socket that a dead process left', async () => {
  const path = join(folder, 'left.sock');
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(NODE, ['-e', script]);
  expect(existsSync(path)).toBe(true);
  await open(path);
  expect(await get(path)).toBe(200);
});

it('leaves alone a socket that is in use, and what is no socket', async () => {
  const used = join(folder, 'used.sock');
  const other = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => other.listen(used, resolve));
  await expect(open(used)).rejects.toMatchObject({
    code: 'INVALID_CONFIGURATION',
    message: `unix_socket ${used} is in use by another process; choose another with --unix-socket`,
  });
  other.close();
  const file = join(folder, 'file.sock');
  writeFileSync(file, 'precious');
  await expect(open(file)).rejects.toMatchObject({ code: 'INVALID_CONFIGURATION' });
  expect(statSync(file).size).toBe(8);
  await expect(open(join(folder, 'nowhere', 'a.sock'))).rejects.toThrow(
    'cannot listen on unix_socket',
  );
});
