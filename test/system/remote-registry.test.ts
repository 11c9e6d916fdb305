import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { handleUnaryCall } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ProjectSchema } from '../../gen/feast/core/Project_pb.ts';
import { RegistrySchema, type Registry } from '../../gen/feast/core/Registry_pb.ts';
import {
  GetProjectRequestSchema,
  ListEntitiesRequestSchema,
  ListEntitiesResponseSchema,
  ListFeatureServicesResponseSchema,
  ListFeatureViewsResponseSchema,
  ListPermissionsResponseSchema,
} from '../../gen/feast/registry/RegistryServer_pb.ts';
import type { RemoteRegistryPlace } from '../../src/config/registry-place.ts';
import { hashFeatureField } from '../../src/feast-encoding/hash-field.ts';
import { openRegistry } from '../../src/registry/open-registry.ts';
import type { RegistrySource } from '../../src/registry/registry-model.ts';
import { registryBytes } from '../registry/registry-fixture.ts';
import { createAuthority } from '../support/certificates.ts';
import { waitUntil } from '../support/wait-until.ts';

type Handler = (request: Uint8Array) => Uint8Array;
type Calls = Readonly<Record<string, Handler>>;

/** A registry server as gRPC sees it. It implements no more than a test needs. */
interface TestServer {
  readonly port: number;
  /** What callers sent as `authorization`, once per call. */
  readonly tokens: (string | undefined)[];
}

let folder: string;
let servers: Server[] = [];
let opened: RegistrySource[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-remote-registry-'));
});
afterEach(async () => {
  for (const registry of opened) await registry.close();
  for (const server of servers) server.forceShutdown();
  opened = [];
  servers = [];
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The lists of one project, as Feast's server answers them: without the project's name in the objects. */
function callsOf(current: () => Registry): Calls {
  const project = (request: Uint8Array) => fromBinary(ListEntitiesRequestSchema, request).project;
  const of = <T extends { spec?: { project: string } | undefined }>(objects: T[], name: string) =>
    objects
      .filter(({ spec }) => spec?.project === name)
      .map((object) => ({ ...object, spec: { ...object.spec!, project: '' } }));
  return {
    GetProject(request) {
      const { name } = fromBinary(GetProjectRequestSchema, request);
      const found = current().projects.find(({ spec }) => spec?.name === name);
      if (found === undefined)
        throw Object.assign(new Error('no project'), { code: status.NOT_FOUND });
      return toBinary(ProjectSchema, found);
    },
    ListEntities: (request) =>
      toBinary(
        ListEntitiesResponseSchema,
        create(ListEntitiesResponseSchema, { entities: of(current().entities, project(request)) }),
      ),
    ListFeatureViews: (request) =>
      toBinary(
        ListFeatureViewsResponseSchema,
        create(ListFeatureViewsResponseSchema, {
          featureViews: of(current().featureViews, project(request)),
        }),
      ),
    ListFeatureServices: () =>
      toBinary(ListFeatureServicesResponseSchema, create(ListFeatureServicesResponseSchema)),
    ListOnDemandFeatureViews: () => new Uint8Array(),
    ListStreamFeatureViews: () => new Uint8Array(),
  };
}

async function serve(
  calls: Calls,
  {
    token,
    credentials = ServerCredentials.createInsecure(),
  }: { token?: () => string; credentials?: ServerCredentials } = {},
): Promise<TestServer> {
  const server = new Server();
  const tokens: TestServer['tokens'] = [];
  const definition = Object.fromEntries(
    Object.keys(calls).map((name) => [
      name,
      {
        path: `/feast.registry.RegistryServer/${name}`,
        requestStream: false as const,
        responseStream: false as const,
        requestDeserialize: (bytes: Buffer) => bytes,
        requestSerialize: (bytes: Buffer) => bytes,
        responseSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    ]),
  );
  const handlers = Object.fromEntries(
    Object.entries(calls).map(([name, handle]): [string, handleUnaryCall<Buffer, Buffer>] => [
      name,
      (call, answer) => {
        const [sent] = call.metadata.get('authorization');
        tokens.push(sent?.toString());
        if (token !== undefined && sent !== `Bearer ${token()}`) {
          answer({ code: status.UNAUTHENTICATED, details: 'who?' });
          return;
        }
        try {
          answer(null, Buffer.from(handle(call.request)));
        } catch (error) {
          answer({ code: (error as { code?: status }).code ?? status.INTERNAL });
        }
      },
    ]),
  );
  server.addService(definition, handlers);
  servers.push(server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, tokens };
}

async function open(
  place: Partial<RemoteRegistryPlace> & { readonly address: string },
  project = 'rides',
): Promise<RegistrySource> {
  const registry = await openRegistry(
    {
      kind: 'remote',
      needsPermissions: false,
      tls: undefined,
      token: undefined,
      tokenFile: undefined,
      ...place,
      cacheTtlSeconds: 1,
      pollIntervalMs: 1000,
      timeoutMs: 3000,
      copyPath: undefined,
      versioningEnabled: false,
    },
    { project, hashFeatureField },
  );
  opened.push(registry);
  return registry;
}

function registryOf(views: readonly string[]): Registry {
  return fromBinary(
    RegistrySchema,
    registryBytes({ version: 'v', views: { rides: views, shops: ['elsewhere'] } }),
  );
}

const viewsOf = (registry: RegistrySource) => [...registry.current().views.keys()];

describe('a registry server', () => {
  test('is asked for one project, and for kinds of objects that it may not know', async () => {
    const { port } = await serve(callsOf(() => registryOf(['v', 'w'])));
    const registry = await open({ address: `127.0.0.1:${port}` });
    expect(viewsOf(registry)).toEqual(['v', 'w']);
    expect(registry.current().views.get('v')!.joinKeys).toEqual([
      { name: 'driver_id', valueType: 4 },
    ]);
    await expect(open({ address: `127.0.0.1:${port}` }, 'boats')).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: expect.stringContaining('it does not hold project boats') as string,
    });
  });

  test('is never served half, when it changes between two lists', async () => {
    let reads = 0;
    const before = registryOf(['v']);
    const after = registryOf(['v', 'w']);
    after.entities.find(({ spec }) => spec?.project === 'rides')!.spec!.joinKey = 'chauffeur_id';
    const calls = callsOf(() => (reads > 1 ? after : before));
    const { port } = await serve({
      ...calls,
      // The first list of views is still the old one, the entities after it are new.
      ListFeatureViews(request) {
        reads += 1;
        return callsOf(() => (reads > 1 ? after : before))['ListFeatureViews']!(request);
      },
      ListEntities: (request) => callsOf(() => after)['ListEntities']!(request),
    });
    const registry = await open({ address: `127.0.0.1:${port}` });
    expect(viewsOf(registry)).toEqual(['v', 'w']);
  });

  test('that does not show its permissions is an error only where they are to be enforced', async () => {
    const calls = callsOf(() => registryOf(['stats']));
    for (const code of [status.PERMISSION_DENIED, status.UNIMPLEMENTED]) {
      const refusing: Calls = {
        ...calls,
        ListPermissions: () => {
          throw Object.assign(new Error('not for you'), { code });
        },
      };
      const { port } = await serve(refusing);
      const address = `127.0.0.1:${port}`;
      await expect(open({ address, needsPermissions: true })).rejects.toMatchObject({
        code: 'REGISTRY_UNAVAILABLE',
        message: expect.stringContaining('ListPermissions') as string,
      });
      expect(viewsOf(await open({ address }))).toEqual(['stats']);
    }
  });

  test('keeps the permissions that are in force when it shows them no more', async () => {
    const policy = { roleBasedPolicy: { roles: ['reader'] } };
    const spec = { name: 'readers', project: '', types: [], actions: [], policy };
    let shows = true;
    let views = ['stats'];
    const { port } = await serve({
      ...callsOf(() => registryOf(views)),
      ListPermissions() {
        if (!shows) throw Object.assign(new Error('no'), { code: status.PERMISSION_DENIED });
        const listed = create(ListPermissionsResponseSchema, {
          permissions: [{ spec: spec as never }],
        });
        return toBinary(ListPermissionsResponseSchema, listed);
      },
    });
    const registry = await open({ address: `127.0.0.1:${port}`, needsPermissions: true });
    const namesOf = () => registry.current().permissions.map(({ name }) => name);
    expect(namesOf()).toEqual(['readers']);
    shows = false;
    views = ['stats', 'more'];
    await expect(registry.refresh()).rejects.toThrow('ListPermissions');
    expect([viewsOf(registry), namesOf()]).toEqual([['stats'], ['readers']]);
  });

  test('is shown the token, and a new one when its file changes', async () => {
    let expected = 'first';
    let views = ['v'];
    const { port, tokens } = await serve(
      callsOf(() => registryOf(views)),
      {
        token: () => expected,
      },
    );
    const address = `127.0.0.1:${port}`;
    expect(viewsOf(await open({ address, token: 'first' }))).toEqual(['v']);
    expect(new Set(tokens)).toEqual(new Set(['Bearer first']));
    const refusal = open({ address, token: 'wrong-token' });
    await expect(refusal).rejects.toThrow('the registry server wants a valid token');
    await expect(refusal).rejects.not.toThrow('wrong-token');
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, 'first\n');
    const registry = await open({ address, tokenFile });
    writeFileSync(tokenFile, 'second\n');
    expected = 'second';
    views = ['v', 'later'];
    await waitUntil(() => viewsOf(registry).includes('later'), {
      what: 'a read with the new token',
    });
  });

  test('and this client know each other by their certificates', async () => {
    const authority = createAuthority(folder, 'ca');
    const server = authority.issue('server', { names: ['DNS:registry.internal'] });
    const client = authority.issue('client', { names: [] });
    const [ca, cert, key] = await Promise.all(
      [authority.certFile, server.certFile, server.keyFile].map((path) => readFile(path)),
    );
    const credentials = ServerCredentials.createSsl(
      ca!,
      [{ cert_chain: cert!, private_key: key! }],
      true,
    );
    const { port } = await serve(
      callsOf(() => registryOf(['v'])),
      { credentials },
    );
    const tls = {
      caFile: authority.certFile,
      certFile: client.certFile,
      keyFile: client.keyFile,
      authority: 'registry.internal',
    };
    const address = `127.0.0.1:${port}`;
    expect(viewsOf(await open({ address, tls }))).toEqual(['v']);
    const unreachable = 'the registry server cannot be reached';
    await expect(open({ address, tls: { ...tls, authority: undefined } })).rejects.toThrow(
      unreachable,
    );
    await expect(
      open({ address, tls: { ...tls, certFile: undefined, keyFile: undefined } }),
    ).rejects.toThrow(unreachable);
    await expect(open({ address })).rejects.toThrow(unreachable);
  });

  test('that hangs is given up', async () => {
    const server = new Server();
    servers.push(server);
    const hanging = {
      path: '/feast.registry.RegistryServer/GetProject',
      requestStream: false as const,
      responseStream: false as const,
      requestDeserialize: (bytes: Buffer) => bytes,
      requestSerialize: (bytes: Buffer) => bytes,
      responseSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (bytes: Buffer) => bytes,
    };
    server.addService({ GetProject: hanging }, { GetProject: () => {} });
    const port = await new Promise<number>((resolve) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_error, bound) =>
        resolve(bound),
      );
    });
    await expect(open({ address: `127.0.0.1:${port}` })).rejects.toThrow(
      'it did not answer in time (setting registry_timeout_ms)',
    );
  });
});
