import { matchesGlob } from 'node:path';
import { HeadObjectCommand, paginateListObjectsV2 } from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { GLOB_CHARACTERS } from './source-files.ts';

/** An object in S3. */
export interface S3Object {
  readonly key: string;
  readonly size: number;
  /** Tells this content from what may replace it. */
  readonly identity: string | undefined;
}

/** Objects looked at for one source; a bucket may hold any number. */
export const MAX_LISTED_OBJECTS = 100_000;

/** What a URL of S3 names: a bucket, and an object in it, a folder (everything below it) or a pattern. */
export interface S3Address {
  readonly bucket: string;
  readonly key: string;
}

/** Reads `s3://bucket/key`; `undefined` for what names no bucket. */
export function parseS3Url(url: string): S3Address | undefined {
  const [, bucket, key = ''] = /^s3:\/\/([^/]+)(?:\/+(.*))?$/i.exec(url) ?? [];
  return bucket === undefined ? undefined : { bucket, key };
}

/**
 * Finds the objects that an address names, in the order of their keys.
 *
 * @returns `undefined` where there are more than may be looked at.
 * @throws Error of the AWS SDK.
 */
export async function findS3Objects(
  client: S3Client,
  { bucket, key }: S3Address,
  signal?: AbortSignal,
): Promise<readonly S3Object[] | undefined> {
  if (GLOB_CHARACTERS.test(key)) {
    const prefix = key.slice(0, key.search(GLOB_CHARACTERS));
    return await list(client, { bucket, key: prefix }, signal, (found) => matchesGlob(found, key));
  }
  const object =
    key === '' || key.endsWith('/') ? undefined : await headObject(client, { bucket, key }, signal);
  if (object !== undefined) {
    return [object];
  }
  const folder = key === '' || key.endsWith('/') ? key : `${key}/`;
  return await list(client, { bucket, key: folder }, signal, (found) =>
    isVisible(found.slice(folder.length)),
  );
}

async function headObject(
  client: S3Client,
  { bucket, key }: S3Address,
  signal: AbortSignal | undefined,
): Promise<S3Object | undefined> {
  try {
    const command = new HeadObjectCommand({ Bucket: bucket, Key: key });
    const { ContentLength: size = 0, ETag: identity } = await client.send(
      command,
      abortableBy(signal),
    );
    return { key, size, identity };
  } catch (error) {
    if ((error as Error).name === 'NotFound') {
      return undefined;
    }
    throw error;
  }
}

async function list(
  client: S3Client,
  { bucket, key }: S3Address,
  signal: AbortSignal | undefined,
  isWanted: (key: string) => boolean,
): Promise<readonly S3Object[] | undefined> {
  const objects: S3Object[] = [];
  let listed = 0;
  for await (const { Contents = [] } of paginateListObjectsV2(
    { client },
    { Bucket: bucket, Prefix: key },
    abortableBy(signal),
  )) {
    listed += Contents.length;
    if (listed > MAX_LISTED_OBJECTS) {
      return undefined;
    }
    for (const { Key: found = '', Size: size = 0, ETag: identity } of Contents) {
      // Some tools mark a folder by an empty object.
      if (!found.endsWith('/') && isWanted(found)) {
        objects.push({ key: found, size, identity });
      }
    }
  }
  return objects.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Options of a call that ends with a signal. */
export function abortableBy(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** Whether writers show it to readers: no `_SUCCESS`, `.crc`, `_temporary/`. */
function isVisible(path: string): boolean {
  return path.split('/').every((name) => !name.startsWith('_') && !name.startsWith('.'));
}
