import { afterEach, describe, expect, it } from 'vitest';
import { OPERATIONS } from '../../src/http/openapi.ts';
import { HTTP_ROUTE_PATHS } from '../../src/http/routes.ts';
import { startFeatureServer, type FeatureServer } from './feature-server.ts';

const servers: FeatureServer[] = [];
async function start(): Promise<FeatureServer> {
  const server = await startFeatureServer();
  servers.push(server);
  return server;
}
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

interface OpenApi {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
}

interface OpenApiOperation {
  readonly requestBody?: {
    readonly content: {
      readonly 'application/json': {
        readonly schema: { readonly properties: object; readonly required?: readonly string[] };
      };
    };
  };
}

describe('the documentation of the server', () => {
  it('lists every route that is served, and no other', () => {
    const pages = ['/docs', '/redoc', '/openapi.json'];
    const searching = HTTP_ROUTE_PATHS.filter((path) => /search|documents|vector/.test(path));
    const served = HTTP_ROUTE_PATHS.filter((path) => ![...pages, ...searching].includes(path));
    expect(OPERATIONS.map(({ path }) => path).sort()).toEqual([...served, '/health'].sort());
  });

  it('is an OpenAPI document whose bodies are what the routes take', async () => {
    const server = await start();
    const response = await fetch(`${server.url}/openapi.json`);
    expect(response.headers.get('content-type')).toBe('application/json');
    const document = (await response.json()) as OpenApi;
    expect(document).toMatchObject({ openapi: '3.0.3', info: { version: '0.0.0-test' } });
    for (const [path, methods] of Object.entries(document.paths)) {
      const schema = methods['post']?.requestBody?.content['application/json'].schema;
      if (schema === undefined) continue;
      const answer = await fetch(server.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
      });
      const { detail = [] } = (await answer.json()) as { detail?: { loc: string[] }[] };
      const missing = detail.map(({ loc }) => loc[1] ?? '');
      expect(new Set(missing), path).toEqual(new Set(schema.required));
      const wrong = Object.fromEntries(Object.keys(schema.properties).map((name) => [name, 0.5]));
      const refused = await fetch(server.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(wrong),
      });
      const issues = ((await refused.json()) as { detail: { loc: string[] }[] }).detail;
      expect(new Set(issues.map(({ loc }) => loc[1])), path).toEqual(
        new Set(Object.keys(schema.properties)),
      );
    }
  });

  it('is a page that needs nothing from elsewhere', async () => {
    const server = await start();
    for (const path of ['/docs', '/redoc']) {
      const response = await fetch(server.url + path);
      expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
      const page = await response.text();
      for (const operation of OPERATIONS) expect(page).toContain(operation.path);
      expect(page).not.toMatch(/https?:|src=|@import/);
      const head = await fetch(server.url + path, { method: 'HEAD' });
      expect([head.status, await head.text()]).toEqual([200, '']);
    }
  });
});

describe('vector search', () => {
  it.each([
    ['POST', '/search'],
    ['POST', '/retrieve-online-documents'],
    ['GET', '/v1/vector_stores'],
    ['GET', '/v1/vector_stores/vs_1234'],
    ['POST', '/v1/vector_stores/vs_1234/search'],
  ])('%s %s says what is missing', async (method, path) => {
    const server = await start();
    const body = method === 'POST' ? { body: '{"query": "x"}' } : {};
    const response = await fetch(server.url + path, { method, ...body });
    expect(response.status).toBe(501);
    expect(await response.json()).toMatch(/needs a vector index/);
    const other = await fetch(server.url + path, { method: method === 'GET' ? 'POST' : 'GET' });
    expect(other.status).toBe(405);
  });

  it('makes no metric label of what callers send', async () => {
    const server = await start();
    await fetch(`${server.url}/v1/vector_stores/made-up`);
    await fetch(`${server.url}/v1/vector_stores/made-up/search/deeper`);
    expect(server.calls.map(({ path }) => path)).toEqual([
      '/v1/vector_stores/{vector_store_id}',
      'unknown',
    ]);
  });
});
