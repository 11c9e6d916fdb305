import { resolve } from 'node:path';
import type { ProblemList } from './configuration-error.ts';
import { didYouMean } from '../did-you-mean.ts';
import type { RegistryBlock } from './feast-schema.ts';
import { readS3Location } from './s3-location.ts';
import { readSqlDatabase } from './read-sql-database.ts';
import type { RegistryPlace, RemoteRegistryTls } from './registry-place.ts';
import type { SettingValues } from './settings.ts';

/** What a place depends on besides its block. */
export interface PlaceContext {
  readonly repoPath: string;
  readonly values: SettingValues;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether the `auth` block asks for that. */
  readonly enforcesPermissions: boolean;
  /** Path of the `path` key, for the problems. */
  readonly pathPlace: readonly string[];
}

/** Stores of `registry_type: file`, by the last part of their class names. */
const STORES: Readonly<Record<string, RegistryPlace['kind']>> = {
  FileRegistryStore: 'file',
  S3RegistryStore: 's3',
  GCSRegistryStore: 'gcs',
  AzureRegistryStore: 'azure',
  AzBlobRegistryStore: 'azure',
};

const SCHEMES: Readonly<Record<string, RegistryPlace['kind']>> = { s3: 's3', gs: 'gcs' };
const REGISTRY_TYPES = ['file', 'sql', 'remote'];
const REMEDY = 'copy the registry to a local file and set registry.path to it';

/** Where the registry is. `undefined` when that is wrong; `problems` says why. No message repeats a path, which may hold secrets. */
export function readRegistryPlace(
  block: RegistryBlock,
  context: PlaceContext,
  problems: ProblemList,
): RegistryPlace | undefined {
  if (block.path === '') {
    return refuse('registry.path is missing; set it to the path of the registry file');
  }
  switch (block.registry_type) {
    case 'file':
      return readObject(block, context, problems);
    case 'sql': {
      const database = readSqlDatabase(block, context, problems);
      return database && { kind: 'sql', database };
    }
    case 'remote':
      return readRemote(block, context, problems);
    default:
      problems.addAt(
        ['registry', 'registry_type'],
        /^[\w.]+$/.test(block.registry_type)
          ? `registry_type ${block.registry_type} is not supported, only file, sql and remote are${didYouMean(block.registry_type, REGISTRY_TYPES) || `; ${REMEDY}`}`
          : `registry_type must be file, sql or remote; ${REMEDY}`,
      );
      return undefined;
  }

  function refuse(message: string): undefined {
    problems.addAt(context.pathPlace, message);
    return undefined;
  }
}

/** The store is chosen by `registry_store_type`, else by the scheme of the path, as in Feast. */
function readObject(
  block: RegistryBlock,
  context: PlaceContext,
  problems: ProblemList,
): RegistryPlace | undefined {
  const { path } = block;
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(path)?.[1]?.toLowerCase();
  const named = block.registry_store_type?.split('.').at(-1);
  const kind = named === undefined ? kindOfScheme(scheme) : STORES[named];
  if (kind === undefined) {
    const supported = `only files, s3://, gs:// and AzureRegistryStore are; ${REMEDY}`;
    if (named === undefined) {
      problems.addAt(
        context.pathPlace,
        `registries at ${scheme}:// are not supported, ${supported}`,
      );
    } else {
      const place = ['registry', 'registry_store_type'];
      problems.addAt(place, `this registry_store_type is not supported, ${supported}`);
    }
    return undefined;
  }
  switch (kind) {
    case 's3':
    case 'gcs':
      return readBucket(kind, path, context, problems);
    case 'azure':
      return readAzure(path, context, problems);
    default:
      if (scheme === undefined) return { kind: 'file', path: resolve(context.repoPath, path) };
      problems.addAt(
        context.pathPlace,
        'registry paths are plain paths: Feast reads file:// as a relative directory; leave the scheme out',
      );
      return undefined;
  }
}

function kindOfScheme(scheme: string | undefined): RegistryPlace['kind'] | undefined {
  return scheme === undefined || scheme === 'file' ? 'file' : SCHEMES[scheme];
}

function readBucket(
  kind: 's3' | 'gcs',
  path: string,
  { env, pathPlace }: PlaceContext,
  problems: ProblemList,
): RegistryPlace | undefined {
  const [, bucket, key] = /^\w+:\/\/([^/]+)\/+(.+)$/.exec(path) ?? [];
  if (bucket === undefined || key === undefined) {
    const scheme = kind === 's3' ? 's3' : 'gs';
    problems.addAt(pathPlace, `registry.path has to be ${scheme}://bucket/path/to/registry.db`);
    return undefined;
  }
  return kind === 's3'
    ? {
        kind,
        bucket,
        objectKey: key,
        ...readS3Location(env),
      }
    : { kind, bucket, object: key, endpoint: env['STORAGE_EMULATOR_HOST'] };
}

function readAzure(
  path: string,
  { env, pathPlace }: PlaceContext,
  problems: ProblemList,
): RegistryPlace | undefined {
  const url = URL.parse(path);
  const segments = url?.pathname.split('/').filter((segment) => segment !== '') ?? [];
  // The emulator is reached by address and has the account in the path.
  const isByAddress = url !== null && /^(localhost|[\d.]+|\[.*\])$/.test(url.hostname);
  const accountName = isByAddress ? segments.shift() : url?.hostname.split('.')[0];
  const [container, ...rest] = segments.map(decodeURIComponent);
  if (
    url === null ||
    !/^https?:$/.test(url.protocol) ||
    !accountName ||
    !container ||
    rest.length === 0
  ) {
    problems.addAt(
      pathPlace,
      'registry.path has to be https://account.blob.core.windows.net/container/path/to/registry.db',
    );
    return undefined;
  }
  return {
    kind: 'azure',
    accountUrl: isByAddress ? `${url.origin}/${accountName}` : url.origin,
    accountName,
    container,
    blob: rest.join('/'),
    accountKey: env['REGISTRY_BLOB_KEY'],
  };
}

function readRemote(
  block: RegistryBlock,
  { repoPath, values, pathPlace, enforcesPermissions }: PlaceContext,
  problems: ProblemList,
): RegistryPlace | undefined {
  const address = /^(?:grpcs?:\/\/)?((?:\[[^\]]+\]|[^:/[\]]+):\d{1,5})$/.exec(block.path)?.[1];
  if (address === undefined) {
    problems.addAt(pathPlace, 'registry.path has to be host:port of the registry server');
    return undefined;
  }
  if (((block.client_cert || '') === '') !== ((block.client_key || '') === '')) {
    problems.addAt(
      ['registry', 'client_cert'],
      'client_cert and client_key go together; give both or none',
    );
    return undefined;
  }
  const file = (path: string | null | undefined): string | undefined =>
    path ? resolve(repoPath, path) : undefined;
  const hasTls = block.is_tls === true || [block.cert, block.client_cert].some(Boolean);
  const tls: RemoteRegistryTls = {
    caFile: file(block.cert),
    certFile: file(block.client_cert),
    keyFile: file(block.client_key),
    authority: block.authority || undefined,
  };
  return {
    kind: 'remote',
    address,
    tls: hasTls ? tls : undefined,
    token: values.registry_token,
    tokenFile: file(values.registry_token_file),
    needsPermissions: enforcesPermissions,
  };
}
