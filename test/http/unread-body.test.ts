import { Agent, request } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startFeatureServer, type FeatureServer } from './feature-server.ts';

/** Twice what the test server takes. */
const TOO_MUCH = Buffer.alloc(512 * 1024);
const CHECK = '/grpc.health.v1.Health/Check';

let server: FeatureServer;
let agent: Agent;
beforeEach(async () => {
  server = await startFeatureServer();
  agent = new Agent({ keepAlive: true, maxSockets: 1 });
});
afterEach(async () => {
  agent.destroy();
  await server.close();
});

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

function post(
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(server.url + path, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode, body: Buffer.concat(chunks).toString() }),
      );
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const LENGTHS: readonly [string, Readonly<Record<string, string>>][] = [
  ['its length', { 'content-length': String(TOO_MUCH.length) }],
  ['no length', { 'transfer-encoding': 'chunked' }],
];

describe.each(LENGTHS)('a message that is too long and has %s', (_, length) => {
  test('is refused, and the caller can go on', async () => {
    const refused = await post(CHECK, TOO_MUCH, { ...length, 'content-type': 'application/proto' });
    expect(refused.status).toBe(429);
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'resource_exhausted' });
    for (let i = 0; i < 3; i++) {
      const next = await post(CHECK, Buffer.from('{}'), { 'content-type': 'application/json' });
      expect(next).toEqual({ status: 200, body: '{"status":"SERVING"}' });
    }
  });
});
