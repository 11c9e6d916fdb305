import { createHmac, createPublicKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ServingService } from '../../gen/feast/serving/ServingService_pb.ts';
import { Health } from '../../gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import {
  IngestService,
  WriteRequestSchema,
  type WriteRequest,
} from '../../gen/sideboard/v1/ingest_pb.ts';
import { OpenRcaService } from '../../gen/xds/service/orca/v3/orca_pb.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { startServer, type RunningServer } from '../../src/server.ts';
import {
  CALLER_PROTOCOLS,
  createFeatureCaller,
  outcomeOf,
  transportOf,
  type CallerProtocol,
} from '../support/feature-callers.ts';
import {
  AUDIENCE,
  createSigningKey,
  startIdentityProvider,
  type IdentityProvider,
} from '../support/identity-provider.ts';
import { startOtlpReceiver } from '../support/otlp-receiver.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { waitUntil } from '../support/wait-until.ts';

const READ = ['driver_stats:trips'];

/** Readers read the view `driver_stats`, writers write it, those of the group `models` use the service; nobody has `secrets`. */
const PERMISSIONS = [
  permission('readers', ['FEATURE_VIEW'], ['READ_ONLINE'], {
    roleBasedPolicy: { roles: ['reader'] },
  }),
  permission('writers', ['FEATURE_VIEW'], ['WRITE_ONLINE'], {
    roleBasedPolicy: { roles: ['writer'] },
  }),
  permission('models', ['FEATURE_SERVICE'], ['READ_ONLINE'], {
    groupBasedPolicy: { groups: ['models'] },
  }),
];

function permission(name: string, types: string[], actions: string[], policy: object) {
  const spec = { name, project: 'rides', types, namePatterns: ['driver_.*'], actions, policy };
  return { spec } as { spec: never };
}

const DENIED: Readonly<Record<CallerProtocol, readonly [unauthenticated: string, denied: string]>> =
  {
    grpc: ['Unauthenticated', 'PermissionDenied'],
    'grpc-web': ['Unauthenticated', 'PermissionDenied'],
    connect: ['Unauthenticated', 'PermissionDenied'],
    'connect-json': ['Unauthenticated', 'PermissionDenied'],
    http: ['401', '403'],
  };

interface AuditLine {
  readonly audit?: boolean;
  readonly decision: string;
  readonly what: string;
  readonly caller?: string;
  readonly action?: string;
  readonly objects?: readonly string[];
  readonly permissions?: readonly string[];
  readonly trace_id?: string;
  readonly span_id?: string;
}

describe('a server with auth type oidc', () => {
  let provider: IdentityProvider;
  let repository: ServedRepository;
  let server: RunningServer;
  let url: string;
  let log: string[] = [];
  const others: RunningServer[] = [];

  beforeAll(async () => {
    provider = await startIdentityProvider();
    repository = await makeServedRepository([], {
      auth: [
        'type: oidc',
        `auth_discovery_url: ${provider.discoveryUrl}`,
        'client_id: sideboard',
        `audience: ${AUDIENCE}`,
        `issuer: ${provider.issuer}`,
        'jwks_request_timeout_seconds: 0.5',
      ],
      registry: {
        permissions: PERMISSIONS,
        featureServices: [
          {
            spec: {
              name: 'driver_service',
              project: 'rides',
              features: [
                {
                  featureViewName: 'secrets',
                  featureColumns: [{ name: 'trips', valueType: 'INT64' }],
                },
              ],
            },
          },
        ],
      },
    });
    repository.writeRegistry(['driver_stats', 'secrets']);
    server = await start();
    url = urlOf(server);
  });
  afterEach(async () => {
    provider.mood = 'well';
    for (const other of others.splice(0)) await other.close();
  });
  afterAll(async () => {
    await server?.close();
    await provider?.close();
    repository?.remove();
  });

  /** @param line more of the `auth` block */
  async function start(
    overrides: Readonly<Record<string, unknown>> = {},
    line = '',
  ): Promise<RunningServer> {
    const yaml = readFileSync(join(repository.path, 'feature_store.yaml'), 'utf8');
    const configFile = join(repository.path, 'tested.yaml');
    writeFileSync(
      configFile,
      yaml.replace(
        'auth:',
        `auth:
  ${line}`,
      ),
    );
    const config = loadConfig({
      configFile,
      overrides: { port: 0, admin_port: 0, load_reports: 'stream', ...overrides },
      env: {},
    });
    return startServer(config, pino({ level: 'debug' }, { write: (text) => log.push(text) }));
  }

  async function startAnother(...how: Parameters<typeof start>): Promise<RunningServer> {
    const other = await start(...how);
    others.push(other);
    return other;
  }

  const urlOf = ({ address }: RunningServer): string => `http://127.0.0.1:${address.port}`;
  const bearer = async (...claims: Parameters<IdentityProvider['token']>): Promise<string> =>
    `Bearer ${await provider.token(...claims)}`;
  const auditLines = (): readonly AuditLine[] =>
    log.map((line) => JSON.parse(line) as AuditLine).filter(({ audit }) => audit === true);

  describe.each(CALLER_PROTOCOLS)('over %s', (protocol) => {
    const [unauthenticated, denied] = DENIED[protocol];

    test('turns away whoever brings no token, or none that is one', async () => {
      for (const header of [undefined, '', 'Basic YTpi', 'Bearer', 'Bearer a b', 'Bearer a.b.c']) {
        const { code } = await createFeatureCaller(protocol, url, header).read(READ);
        expect([header, code]).toEqual([header, unauthenticated]);
      }
    });

    test('lets a caller do what a permission grants, and nothing else', async () => {
      const reader = createFeatureCaller(
        protocol,
        url,
        await bearer({ resource_access: { sideboard: { roles: ['reader'] } } }),
      );
      expect(await reader.read(READ)).toEqual({ code: 'OK', message: '' });
      for (const refused of [
        await reader.read(['secrets:trips']),
        await reader.read([...READ, 'secrets:trips']),
        await reader.read('driver_service'),
        await reader.write('driver_stats'),
        await reader.push('push_driver_stats'),
      ]) {
        expect(refused.code).toBe(denied);
      }
      const writer = createFeatureCaller(protocol, url, await bearer({ roles: ['writer'] }));
      expect((await writer.write('driver_stats')).code).toBe('OK');
      expect((await writer.push('push_driver_stats')).code).toBe('OK');
      expect((await writer.write('secrets')).code).toBe(denied);
      expect((await writer.push('push_secrets')).code).toBe(denied);
      expect((await writer.read(READ)).code).toBe(denied);
    });

    test('guards a feature service as a whole, by its own name', async () => {
      const model = createFeatureCaller(protocol, url, await bearer({ groups: ['models'] }));
      const { code, message } = await model.read('driver_service');
      // It is let in; that there are no such rows is another matter.
      expect([code, message]).not.toContain(denied);
      expect([code, message]).not.toContain(unauthenticated);
      expect((await model.read(['secrets:trips'])).code).toBe(denied);
    });

    test('tells a caller without permission nothing of what is wrong with a request', async () => {
      const stranger = createFeatureCaller(protocol, url, await bearer());
      expect((await stranger.read(['secrets:no_such_feature'])).code).toBe(denied);
      const reader = createFeatureCaller(protocol, url, await bearer({ roles: ['reader'] }));
      expect((await reader.read(['driver_stats:no_such_feature'])).code).not.toBe(denied);
    });
  });

  test('tells HTTP callers in the words of Feast', async () => {
    const nobody = await createFeatureCaller('http', url, undefined).read(READ);
    expect(JSON.parse(nobody.message)).toEqual({ detail: 'Invalid or expired access token' });
    const stranger = await createFeatureCaller('http', url, await bearer()).read(READ);
    expect(JSON.parse(JSON.parse(stranger.message) as string)).toMatchObject({
      module: 'feast.errors',
      class: 'FeastPermissionError',
    });
  });

  test('materializes for those only who may write every view that it is about', async () => {
    const materialize = async (claims: object, body: object, query = ''): Promise<number> => {
      const response = await fetch(`${url}/materialize${query}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: await bearer({ ...claims }) },
        body: JSON.stringify({ disable_event_timestamp: true, ...body }),
      });
      await response.arrayBuffer();
      return response.status;
    };
    const own = { feature_views: ['driver_stats'] };
    for (const query of ['', '?async=true']) {
      expect(await materialize({ roles: ['reader'] }, own, query)).toBe(403);
      expect(await materialize({ roles: ['writer'] }, { feature_views: ['secrets'] }, query)).toBe(
        403,
      );
      // All views, and one of them is not the writer's.
      expect(await materialize({ roles: ['writer'] }, {}, query)).toBe(403);
    }
    // It is let in: what there is to say is about the file that does not exist.
    expect([401, 403]).not.toContain(await materialize({ roles: ['writer'] }, own));
  });

  test('asks for credentials on every route but health and documentation', async () => {
    const statusOf = async (method: string, path: string): Promise<number> =>
      (await fetch(url + path, { method })).status;
    for (const path of ['/health', '/docs', '/redoc', '/openapi.json']) {
      expect([path, await statusOf('GET', path)]).toEqual([path, 200]);
    }
    for (const path of [
      '/get-online-features',
      '/push',
      '/write-to-online-store',
      '/materialize',
      '/materialize-incremental',
      '/search',
      '/retrieve-online-documents',
    ]) {
      expect([path, await statusOf('POST', path)]).toEqual([path, 401]);
    }
    const metrics = await fetch(`http://127.0.0.1:${server.adminAddress.port}/metrics`);
    expect(metrics.status).toBe(200);
  });

  test('asks for credentials on every gRPC method but health and reflection', async () => {
    const transport = transportOf('grpc', url);
    expect(await outcomeOf(createClient(Health, transport).check({}))).toMatchObject({
      code: 'OK',
    });
    expect(await outcomeOf(firstOf(createClient(Health, transport).watch({})))).toMatchObject({
      code: 'OK',
    });
    const list = { messageRequest: { case: 'listServices' as const, value: '' } };
    const reflection = createClient(ServerReflection, transport);
    expect(await outcomeOf(firstOf(reflection.serverReflectionInfo(each(list))))).toMatchObject({
      code: 'OK',
    });
    const info = createClient(ServingService, transport);
    expect((await outcomeOf(info.getFeastServingInfo({}))).code).toBe('Unauthenticated');
    const headers = { authorization: await bearer() };
    expect((await outcomeOf(info.getFeastServingInfo({}, { headers }))).code).toBe('OK');
    const loads = createClient(OpenRcaService, transport);
    expect((await outcomeOf(firstOf(loads.streamCoreMetrics({})))).code).toBe('Unauthenticated');
    for (const protocol of ['connect', 'connect-json', 'grpc-web'] as const) {
      const other = transportOf(protocol, url);
      expect((await outcomeOf(createClient(Health, other).check({}))).code).toBe('OK');
      const asked = outcomeOf(createClient(ServingService, other).getFeastServingInfo({}));
      expect((await asked).code).toBe('Unauthenticated');
    }
  });

  describe('a stream of rows', () => {
    const columns = ['driver_id', 'trips', 'event_timestamp'];
    const rowsFor = (name: string, id = 1n): readonly WriteRequest[] => {
      const target = { name: { case: 'featureView' as const, value: name }, columns };
      const value = (val: object) => ({ val: [{ val: val as never }] });
      return [
        create(WriteRequestSchema, { kind: { case: 'target', value: target } }),
        create(WriteRequestSchema, {
          kind: {
            case: 'rows',
            value: {
              id,
              columns: [
                value({ case: 'int64Val', value: 9n }),
                value({ case: 'int64Val', value: 9n }),
                value({ case: 'unixTimestampVal', value: 1_735_689_600n }),
              ],
            },
          },
        }),
      ];
    };

    test('needs a token, and the permission to write the view', async () => {
      const ingest = createClient(IngestService, transportOf('grpc', url));
      const write = (name: string, headers: Record<string, string> = {}) =>
        all(ingest.write(each(...rowsFor(name)), { headers }));
      expect(await outcomeOf(write('driver_stats'))).toMatchObject({ code: 'Unauthenticated' });
      const writer = { authorization: await bearer({ roles: ['writer'] }) };
      const [written] = await write('driver_stats', writer);
      expect(written).toMatchObject({ acknowledgedId: 1n, rejections: [] });
      const [refused] = await write('secrets', writer);
      expect(refused!.rejections).toMatchObject([{ id: 1n, code: 7 }]);
    });

    test('ends when the token has expired meanwhile', async () => {
      const now = Math.floor(Date.now() / 1000);
      // Ten seconds of leeway: one second is left.
      const authorization = await bearer({ roles: ['writer'], exp: now - 9 });
      const ingest = createClient(IngestService, transportOf('grpc', url));
      const [target, rows] = rowsFor('driver_stats');
      let acknowledged = false;
      const requests = async function* () {
        yield target!;
        yield rows!;
        await waitUntil(() => Date.now() / 1000 > now + 1.1, { what: 'the token to expire' });
        yield rowsFor('driver_stats', 2n)[1]!;
      };
      const ended = outcomeOf(
        (async () => {
          for await (const { acknowledgedId } of ingest.write(requests(), {
            headers: { authorization },
          })) {
            acknowledged ||= acknowledgedId === 1n;
          }
        })(),
      );
      expect((await ended).code).toBe('Unauthenticated');
      expect(acknowledged).toBe(true);
    });
  });

  describe('a hostile token', () => {
    const read = async (token: string, protocol: CallerProtocol = 'grpc') =>
      createFeatureCaller(protocol, url, `Bearer ${token}`).read(READ);
    const now = (): number => Math.floor(Date.now() / 1000);
    const READER = { roles: ['reader'] };
    const encode = (part: unknown): string =>
      Buffer.from(JSON.stringify(part)).toString('base64url');
    const claims = () => ({
      iss: provider.issuer,
      aud: AUDIENCE,
      sub: 'somebody',
      exp: now() + 300,
      ...READER,
    });

    test('is refused where it is not signed', async () => {
      for (const alg of ['none', 'None', 'NONE', '']) {
        const head = encode({ alg, kid: provider.key.keyId, typ: 'JWT' });
        for (const signature of ['', encode('x')]) {
          const { code } = await read(`${head}.${encode(claims())}.${signature}`);
          expect([alg, code]).toEqual([alg, 'Unauthenticated']);
        }
      }
    });

    test('is refused where it is signed with the public key as a secret', async () => {
      const jwk = provider.key.publicJwk;
      const pem = createPublicKey({ key: jwk, format: 'jwk' })
        .export({ type: 'spki', format: 'pem' })
        .toString();
      for (const secret of [pem, pem.trim(), jwk.n!, JSON.stringify(jwk)]) {
        for (const alg of ['HS256', 'RS256']) {
          const signed = `${encode({ alg, kid: provider.key.keyId })}.${encode(claims())}`;
          const signature = createHmac('sha256', secret).update(signed).digest('base64url');
          expect((await read(`${signed}.${signature}`)).code).toBe('Unauthenticated');
        }
      }
    });

    test('is refused where it brings its own key', async () => {
      const own = await createSigningKey(provider.key.keyId);
      expect((await read(await provider.token(READER, own))).code).toBe('Unauthenticated');
      const good = await provider.token(READER);
      const [, body, signature] = good.split('.');
      const withKey = encode({
        alg: 'RS256',
        kid: provider.key.keyId,
        jwk: own.publicJwk,
        jku: 'http://127.0.0.1:1/keys',
      });
      expect((await read(`${withKey}.${body}.${signature}`)).code).toBe('Unauthenticated');
      expect((await read(good)).code).toBe('OK');
    });

    test.each([
      ['for somebody else', { aud: 'another-service' }],
      ['for nobody', { aud: undefined }],
      ['of another issuer', { iss: 'https://login.example' }],
      ['of no issuer', { iss: undefined }],
      ['expired', { exp: Math.floor(Date.now() / 1000) - 11 }],
      ['without an end', { exp: undefined }],
      ['whose end is no number', { exp: 'never' }],
      ['not valid yet', { nbf: Math.floor(Date.now() / 1000) + 300 }],
      ['issued in the future', { iat: Math.floor(Date.now() / 1000) + 300 }],
      [
        'of nobody',
        { sub: undefined, preferred_username: undefined, azp: undefined, upn: ['root'] },
      ],
    ])('is refused where it is %s', async (_, claim) => {
      for (const protocol of ['grpc', 'http'] as const) {
        const { code } = await read(await provider.token({ ...READER, ...claim }), protocol);
        expect(code).toBe(DENIED[protocol][0]);
      }
    });

    test('is refused where a letter of it was changed', async () => {
      const [head, body, signature] = (await provider.token({ roles: [] })).split('.');
      const payload = JSON.parse(Buffer.from(body!, 'base64url').toString()) as object;
      const forged = encode({ ...payload, ...READER });
      expect((await read(`${head}.${forged}.${signature}`)).code).toBe('Unauthenticated');
    });

    test('is refused where its claims are of other types than they should be', async () => {
      for (const claim of [
        { roles: 'reader' },
        { roles: { reader: true } },
        { resource_access: [['sideboard']] },
        { resource_access: { sideboard: 'reader', other: { roles: ['reader'] } } },
        { groups: 'models' },
      ]) {
        expect((await read(await provider.token(claim))).code).toBe('PermissionDenied');
      }
    });

    test('is refused where it is longer than any', async () => {
      const other = await startAnother({ max_token_bytes: 2048 });
      const long = await bearer({ ...READER, padding: 'x'.repeat(2000) });
      const asked = await createFeatureCaller('grpc', urlOf(other), long).read(READ);
      expect(asked.code).toBe('Unauthenticated');
      expect(asked.message).toContain('max_token_bytes');
      expect((await createFeatureCaller('http', urlOf(other), long).read(READ)).code).toBe('401');
    });

    test('is refused when it was signed by a key that its provider has withdrawn', async () => {
      // The token counts as good for a minute, the keys for a second.
      const other = await startAnother({}, 'jwks_cache_lifespan_seconds: 1');
      const old = await bearer(READER);
      const reads = (header: string) =>
        createFeatureCaller('grpc', urlOf(other), header).read(READ);
      expect((await reads(old)).code).toBe('OK');
      await provider.rotate();
      await waitUntil(async () => (await reads(await bearer(READER))).code === 'OK', {
        what: 'the new key to be known',
      });
      expect((await reads(old)).code).toBe('Unauthenticated');
      const http = await createFeatureCaller('http', urlOf(other), old).read(READ);
      expect(http.code).toBe('401');
    });

    test('changes nothing for others: made-up keys do not make the server ask again and again', async () => {
      const other = await startAnother();
      const good = createFeatureCaller('grpc', urlOf(other), await bearer(READER));
      expect((await good.read(READ)).code).toBe('OK');
      const before = provider.keyRequestCount;
      for (let i = 0; i < 20; i++) {
        const stranger = await createSigningKey(`made-up-${i}`);
        const token = `Bearer ${await provider.token(READER, stranger)}`;
        const { code } = await createFeatureCaller('grpc', urlOf(other), token).read(READ);
        expect(code).toBe('Unauthenticated');
      }
      expect(provider.keyRequestCount - before).toBeLessThanOrEqual(1);
      expect((await good.read(READ)).code).toBe('OK');
    });
  });

  test.each(['failing', 'silent', 'huge', 'gibberish', 'empty'] as const)(
    'lets nobody in while the keys are %s, and comes back',
    async (mood) => {
      const other = await startAnother();
      provider.mood = mood;
      const authorization = await bearer({ roles: ['reader'] });
      const caller = createFeatureCaller('grpc', urlOf(other), authorization);
      const { code } = await caller.read(READ);
      expect(code).toBe(mood === 'empty' ? 'Unauthenticated' : 'Unavailable');
      const http = await createFeatureCaller('http', urlOf(other), authorization).read(READ);
      expect(http.code).toBe(mood === 'empty' ? '401' : '503');
      const health = createClient(Health, transportOf('grpc', urlOf(other)));
      expect((await outcomeOf(health.check({}))).code).toBe('OK');
      if (mood === 'empty') return;
      provider.mood = 'well';
      expect((await caller.read(READ)).code).toBe('OK');
    },
  );

  test('goes on with the keys that it has while their provider is away', async () => {
    const other = await startAnother({ token_cache_ms: 0 });
    const caller = createFeatureCaller('grpc', urlOf(other), await bearer({ roles: ['reader'] }));
    expect((await caller.read(READ)).code).toBe('OK');
    provider.mood = 'failing';
    expect((await caller.read(READ)).code).toBe('OK');
  });

  test('asks the registry that is served now', async () => {
    const other = await startAnother({ token_cache_ms: 60_000 });
    const caller = createFeatureCaller('grpc', urlOf(other), await bearer({ roles: ['reader'] }));
    expect((await caller.read(READ)).code).toBe('OK');
    expect((await caller.read(['driver_more:trips'])).code).toBe('NotFound');
    repository.writeRegistry(['driver_stats', 'driver_more', 'secrets']);
    await waitUntil(async () => (await caller.read(['driver_more:trips'])).code !== 'NotFound', {
      what: 'the new registry to be served',
    });
    expect((await caller.read(READ)).code).toBe('OK');
    expect((await caller.read(['secrets:trips'])).code).toBe('PermissionDenied');
  });

  test('writes down what it decided, without tokens and values', async () => {
    log = [];
    const other = await startAnother();
    const authorization = await bearer({ roles: ['reader'], preferred_username: 'ada' });
    const caller = createFeatureCaller('grpc', urlOf(other), authorization);
    await caller.read(READ);
    await caller.read(READ);
    await caller.read(['secrets:trips']);
    await createFeatureCaller('grpc', urlOf(other), undefined).read(READ);
    expect(auditLines()).toMatchObject([
      {
        decision: 'granted',
        what: 'permission',
        caller: 'ada',
        action: 'READ_ONLINE',
        objects: ['driver_stats'],
        permissions: ['readers'],
      },
      { decision: 'denied', what: 'permission', caller: 'ada', objects: ['feature view secrets'] },
      { decision: 'denied', what: 'authentication' },
    ]);
    const token = authorization.slice('Bearer '.length);
    for (const part of token.split('.')) expect(log.join('')).not.toContain(part);
  });

  test('writes down the trace of what it decided, over every protocol', async () => {
    const receiver = await startOtlpReceiver();
    try {
      log = [];
      const other = await startAnother({ otlp_endpoint: receiver.url, trace_ratio: 1 });
      for (const protocol of CALLER_PROTOCOLS) {
        // A grant is written once for each token.
        const ada = await bearer({ roles: ['reader'], jti: protocol });
        for (const [header, selection] of [
          [ada, READ],
          [ada, ['secrets:trips']],
          [undefined, READ],
          [`Bearer ${protocol}`, READ],
        ] as const) {
          await createFeatureCaller(protocol, urlOf(other), header).read(selection);
        }
      }
      const lines = auditLines();
      expect(lines).toHaveLength(4 * CALLER_PROTOCOLS.length);
      const served = () => receiver.spans.filter(({ kind }) => kind === 2);
      await waitUntil(() => served().length >= lines.length, { what: 'the spans of the requests' });
      expect(lines.map((line) => `${line.trace_id} ${line.span_id}`).toSorted()).toEqual(
        served()
          .map(({ traceId, spanId }) => `${traceId} ${spanId}`)
          .toSorted(),
      );
    } finally {
      await receiver.close();
    }
  });
});

async function* each<T>(...items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** Stops listening after the first. */
async function firstOf<T>(items: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of items) return item;
  return undefined;
}
