import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import type { ChannelCredentials, ServiceError } from '@grpc/grpc-js';
import { ProjectSchema } from '../../gen/feast/core/Project_pb.ts';
import {
  GetProjectRequestSchema,
  ListEntitiesRequestSchema,
} from '../../gen/feast/registry/RegistryServer_pb.ts';
import type { RemoteRegistryPlace } from '../config/registry-place.ts';
import { SideboardError } from '../errors.ts';
import { encodeRegistry, type EncodedObject } from './encode-registry.ts';
import type { RegistryContent, RegistryOrigin } from './registry-origin.ts';
import { runInSlices, type Work } from './run-in-slices.ts';
import { isSameBytes } from './same-bytes.ts';

const SERVICE = '/feast.registry.RegistryServer/';

/** Calls that list the objects of a project, and the field of `feast.core.Registry` that holds them. Entities come last: views name them. */
const LISTS = [
  { method: 'ListDataSources', field: 12 },
  { method: 'ListFeatureServices', field: 7 },
  { method: 'ListOnDemandFeatureViews', field: 8 },
  { method: 'ListFeatureViews', field: 6 },
  { method: 'ListStreamFeatureViews', field: 14 },
  { method: 'ListLabelViews', field: 19 },
  { method: 'ListPermissions', field: 16 },
  { method: 'ListEntities', field: 1 },
] as const;

/** What is listed, in every answer. */
const OBJECTS_FIELD = 1;
const PROJECTS_FIELD = 17;

/** What is being applied is seen half: it is read until two reads agree that lie this far apart, but not for ever. */
const MAX_READS = 5;
const READ_AGAIN_MS = 100;

/**
 * The server's copy in memory, as Feast's own readers ask for. Asked for anything fresher, a server whose registry is a file
 * reads that file over the copy it is changing: an `apply` on its way through the server then loses what it has not committed yet.
 */
const ALLOW_CACHE = true;

/** A registry may be larger than gRPC's usual 4 MiB. */
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

/**
 * Feast's registry server (`feast serve_registry`). It is asked for the objects of the project, list by list, since its whole
 * registry (`Proto`) has lost which object belongs to which project.
 */
export async function createRemoteOrigin(
  place: RemoteRegistryPlace,
  project: string,
): Promise<RegistryOrigin> {
  const client = new Client(place.address, await channelCredentials(place), {
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    ...authorityOptions(place),
  });
  let last: Uint8Array | undefined;
  return {
    name: `grpc://${place.address}`,
    // There is nothing to look at but all of it.
    minPollMs: 60_000,
    remedy: 'see registry in feature_store.yaml; the server is "feast serve_registry"',
    async read(signal): Promise<RegistryContent> {
      const metadata = await callMetadata(place);
      const call: Call = (method, request) => unary(client, { method, request, metadata, signal });
      let bytes = await readProject(call, project, place);
      for (let reads = 1; reads < MAX_READS && !(await isSame(bytes, last)); reads++) {
        last = bytes;
        await delay(READ_AGAIN_MS);
        bytes = await readProject(call, project, place);
      }
      last = bytes;
      return { bytes, identity: undefined };
    },
    explain: (error) => ({ reason: explain(error) }),
    async close() {
      client.close();
    },
  };
}

type Call = (method: string, request: Uint8Array) => Promise<Uint8Array>;

/** The objects of a project as one serialized `feast.core.Registry`; equal answers give equal bytes. */
async function readProject(
  call: Call,
  project: string,
  { needsPermissions }: Pick<RemoteRegistryPlace, 'needsPermissions'>,
): Promise<Uint8Array> {
  const objects: EncodedObject[] = [
    { field: PROJECTS_FIELD, bytes: await getProject(call, project) },
  ];
  const list = toBinary(
    ListEntitiesRequestSchema,
    create(ListEntitiesRequestSchema, { project, allowCache: ALLOW_CACHE }),
  );
  for (const { method, field } of LISTS) {
    let answer: Uint8Array;
    try {
      answer = await call(method, list);
    } catch (error) {
      // Kinds of objects that came with later versions of Feast, and what this caller may not see.
      const isNeeded = method === 'ListPermissions' && needsPermissions;
      if (!isOptional(method) || !isRefusal(error)) throw error;
      if (isNeeded) throw new PermissionsRefused();
      continue;
    }
    await runInSlices(addObjects(objects, field, answer));
  }
  return await encodeRegistry(objects);
}

async function getProject(call: Call, project: string): Promise<Uint8Array> {
  try {
    return await call(
      'GetProject',
      toBinary(
        GetProjectRequestSchema,
        create(GetProjectRequestSchema, { name: project, allowCache: ALLOW_CACHE }),
      ),
    );
  } catch (error) {
    switch ((error as ServiceError).code) {
      case status.NOT_FOUND:
        throw new SideboardError('REGISTRY_UNAVAILABLE', `it does not hold project ${project}`);
      case status.UNIMPLEMENTED:
        return toBinary(ProjectSchema, create(ProjectSchema, { spec: { name: project } }));
      default:
        throw error;
    }
  }
}

/** Adds what an answer lists. */
function* addObjects(objects: EncodedObject[], field: number, answer: Uint8Array): Work<void> {
  const reader = new BinaryReader(answer);
  while (reader.pos < reader.len) {
    const [tagged, wireType] = reader.tag();
    if (tagged === OBJECTS_FIELD && wireType === WireType.LengthDelimited) {
      objects.push({ field, bytes: reader.bytes() });
    } else {
      reader.skip(wireType, tagged);
    }
    yield;
  }
}

interface UnaryCall {
  readonly method: string;
  readonly request: Uint8Array;
  readonly metadata: Metadata;
  readonly signal: AbortSignal;
}

function unary(
  client: Client,
  { method, request, metadata, signal }: UnaryCall,
): Promise<Uint8Array> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const cancel = (): void => call.cancel();
    const call = client.makeUnaryRequest(
      SERVICE + method,
      (message: Uint8Array) => Buffer.from(message),
      (bytes: Buffer) => bytes,
      request,
      metadata,
      (error, answer) => {
        signal.removeEventListener('abort', cancel);
        if (error === null && answer !== undefined) resolve(answer);
        else reject(signal.aborted ? (signal.reason as Error) : (error ?? new Error('no answer')));
      },
    );
    signal.addEventListener('abort', cancel, { once: true });
  });
}

/** A token of a file is read each time: whoever mounts it renews it. */
async function callMetadata({ token, tokenFile }: RemoteRegistryPlace): Promise<Metadata> {
  const metadata = new Metadata();
  const bearer = tokenFile === undefined ? token : (await readFile(tokenFile, 'utf8')).trim();
  if (bearer !== undefined) metadata.set('authorization', `Bearer ${bearer}`);
  return metadata;
}

async function channelCredentials({ tls }: RemoteRegistryPlace): Promise<ChannelCredentials> {
  if (tls === undefined) return credentials.createInsecure();
  const read = async (path: string | undefined): Promise<Buffer | null> =>
    path === undefined ? null : await readFile(path);
  return credentials.createSsl(
    await read(tls.caFile),
    await read(tls.keyFile),
    await read(tls.certFile),
  );
}

function authorityOptions({ tls }: RemoteRegistryPlace): Record<string, string> {
  return tls?.authority === undefined
    ? {}
    : {
        'grpc.ssl_target_name_override': tls.authority,
        'grpc.default_authority': tls.authority,
      };
}

/** Permissions are to be enforced, and the server does not tell them: that is not the same as that there are none. */
class PermissionsRefused extends Error {}

function isOptional(method: string): boolean {
  return (
    method === 'ListLabelViews' || method === 'ListPermissions' || method === 'ListDataSources'
  );
}

function isRefusal(error: unknown): boolean {
  const { code } = error as ServiceError;
  return code === status.UNIMPLEMENTED || code === status.PERMISSION_DENIED;
}

async function isSame(bytes: Uint8Array, last: Uint8Array | undefined): Promise<boolean> {
  return last !== undefined && (await runInSlices(isSameBytes(bytes, last)));
}

function explain(error: unknown): string {
  if (error instanceof PermissionsRefused) {
    return 'the registry server does not list its permissions for this caller (ListPermissions), which auth is to enforce';
  }
  const { code, path } = error as { readonly code?: string | number; readonly path?: string };
  switch (code) {
    case 'ENOENT':
      return `there is no file ${path}`;
    case status.UNAVAILABLE:
      return 'the registry server cannot be reached';
    case status.UNAUTHENTICATED:
      return 'the registry server wants a valid token (settings registry_token, registry_token_file)';
    case status.PERMISSION_DENIED:
      return 'the registry server does not let this caller read the project';
    default:
      return `the registry server answered ${typeof code === 'number' ? (status[code] ?? code) : 'something else than gRPC'}`;
  }
}
