import { cors } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from 'vitest';
import { CONNECT_REQUEST_HEADERS, CONNECT_RESPONSE_HEADERS } from '../../src/http/cors.ts';
import { startFeatureServer, type FeatureServer } from './feature-server.ts';

const SHOP = 'https://shop.example';
const CHECK = '/grpc.health.v1.Health/Check';

const servers: FeatureServer[] = [];
async function start(...corsOrigins: readonly string[]): Promise<FeatureServer> {
  const server = await startFeatureServer({ handler: { corsOrigins } });
  servers.push(server);
  return server;
}
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

function preflight(server: FeatureServer, path: string, origin: string): Promise<Response> {
  return fetch(server.url + path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,x-grpc-web',
    },
  });
}

it('knows the headers that clients of Connect send and read as the library does', () => {
  expect(CONNECT_REQUEST_HEADERS).toEqual(cors.allowedHeaders);
  expect(CONNECT_RESPONSE_HEADERS).toEqual(cors.exposedHeaders);
});

describe('a page of another origin', () => {
  it.each(['/get-online-features', CHECK])('may call %s where it is allowed', async (path) => {
    const server = await start('https://other.example', SHOP);
    const asked = await preflight(server, path, SHOP);
    expect([asked.status, await asked.text()]).toEqual([204, '']);
    expect(asked.headers.get('access-control-allow-origin')).toBe(SHOP);
    expect(asked.headers.get('access-control-allow-methods')).toContain('POST');
    const headers = asked.headers.get('access-control-allow-headers')!.toLowerCase().split(', ');
    expect(headers).toEqual(
      expect.arrayContaining([
        'content-type',
        'x-grpc-web',
        'connect-protocol-version',
        'authorization',
        'sideboard-partial-results',
        'sideboard-timing',
      ]),
    );
    const answer = await fetch(server.url + path, {
      method: 'POST',
      headers: { origin: SHOP, 'content-type': 'application/json' },
      body: '{}',
    });
    expect(answer.headers.get('access-control-allow-origin')).toBe(SHOP);
    const exposed = answer.headers.get('access-control-expose-headers')!.toLowerCase().split(', ');
    expect(exposed).toEqual(
      expect.arrayContaining(['grpc-status', 'sideboard-lost-values', 'server-timing']),
    );
    expect(answer.headers.get('vary')).toMatch(/origin/);
  });

  it('may not where it is not, though its request is answered', async () => {
    const server = await start(SHOP);
    const asked = await preflight(server, '/push', 'https://evil.example');
    expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([405, null]);
    const answer = await fetch(`${server.url}/health`, {
      headers: { origin: 'https://evil.example' },
    });
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, null]);
    expect(answer.headers.get('vary')).toBe('origin');
  });

  it('may always where all are allowed, and never by default', async () => {
    const open = await start('*');
    const asked = await preflight(open, '/push', 'https://any.example');
    expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([204, '*']);
    const closed = await start();
    const refused = await preflight(closed, '/push', SHOP);
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([
      405,
      null,
    ]);
    const plain = await fetch(`${open.url}/health`);
    expect(plain.headers.get('access-control-allow-origin')).toBeNull();
  });
});
