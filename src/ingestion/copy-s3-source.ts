import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { SideboardError, cancelled, isSideboardError } from '../errors.ts';
import type { BatchSourceDefinition } from '../registry/registry-model.ts';
import { explainS3Error, openS3Client } from '../s3-client.ts';
import { invalidSourceData } from './ingestion-error.ts';
import type { OpenedSourceFiles, SourceAccess } from './open-source-files.ts';
import { MAX_LISTED_OBJECTS, abortableBy, findS3Objects, parseS3Url } from './s3-objects.ts';
import type { S3Address, S3Object } from './s3-objects.ts';
import { GLOB_CHARACTERS, chooseFormat, formatEnding } from './source-files.ts';

/** Objects that are copied at once. */
const MAX_COPIES_AT_ONCE = 4;

/**
 * Copies the objects that a source names to a temporary folder: DuckDB reads files, and reads Parquet from its end.
 *
 * @throws SideboardError INVALID_SOURCE_DATA where they cannot be read, LIMIT_EXCEEDED where they are too large, CANCELLED.
 */
export async function copyS3Source(
  { uri, s3EndpointOverride }: Pick<BatchSourceDefinition, 'uri' | 's3EndpointOverride'>,
  { s3, maxSourceBytes, temporaryDirectory }: SourceAccess,
  viewName: string,
  signal: AbortSignal | undefined,
): Promise<OpenedSourceFiles> {
  const address = parseS3Url(uri);
  if (address === undefined) {
    throw invalidSourceData(viewName, `its source ${uri} names no bucket`);
  }
  const endpoint = s3EndpointOverride === '' ? s3.endpoint : asUrl(s3EndpointOverride);
  const place = { region: s3.region, endpoint };
  const client = openS3Client(place);
  try {
    const found = await findS3Objects(client, address, signal);
    const objects = chosenObjects(found, address.key, { uri, viewName });
    const bytes = objects.chosen.reduce((sum, { size }) => sum + size, 0);
    if (bytes > maxSourceBytes) {
      throw new SideboardError(
        'LIMIT_EXCEEDED',
        `feature view ${viewName}: its source ${uri} has ${bytes} bytes, more than max_source_bytes (${maxSourceBytes}) allows to copy`,
      );
    }
    const folder = await mkdtemp(join(temporaryDirectory ?? tmpdir(), 'sideboard-s3-'));
    const release = (): Promise<void> => rm(folder, { recursive: true, force: true });
    try {
      const paths = await copyAll(client, address, objects.chosen, folder, signal);
      const origins = objects.chosen.map(({ key }) => `s3://${address.bucket}/${key}`);
      return { format: objects.format, paths, origins, release };
    } catch (error) {
      await release();
      throw error;
    }
  } catch (error) {
    if (signal?.aborted === true) {
      throw isSideboardError(signal.reason) ? signal.reason : cancelled();
    }
    if (isSideboardError(error)) throw error;
    const { reason, remedy } = explainS3Error(error, place);
    const what = remedy === undefined ? reason : `${reason}; ${remedy}`;
    throw invalidSourceData(viewName, `cannot read ${uri}: ${what}`, error);
  } finally {
    client.destroy();
  }
}

function chosenObjects(
  found: readonly S3Object[] | undefined,
  wanted: string,
  { uri, viewName }: { readonly uri: string; readonly viewName: string },
): { format: 'parquet' | 'csv'; chosen: readonly S3Object[] } {
  if (found === undefined) {
    throw invalidSourceData(
      viewName,
      `its source ${uri} has more than ${MAX_LISTED_OBJECTS} objects to look at; give it a folder of its own`,
    );
  }
  const keys = found.map(({ key }) => key);
  const choice = chooseFormat(keys, !GLOB_CHARACTERS.test(wanted) && !keys.includes(wanted));
  if (choice === 'none') {
    throw invalidSourceData(viewName, `its source ${uri} has no files: no such object is there`);
  }
  if (choice === 'mixed') {
    throw invalidSourceData(viewName, `its source ${uri} mixes Parquet and CSV files`);
  }
  const chosen = new Set(choice.paths);
  return { format: choice.format, chosen: found.filter(({ key }) => chosen.has(key)) };
}

async function copyAll(
  client: S3Client,
  { bucket }: S3Address,
  objects: readonly S3Object[],
  folder: string,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const paths = objects.map(({ key }, i) => join(folder, `${i}${formatEnding(key)}`));
  let next = 0;
  const copy = async (): Promise<void> => {
    for (let i = next++; i < objects.length; i = next++) {
      const { key, identity } = objects[i]!;
      const command = new GetObjectCommand({ Bucket: bucket, Key: key, IfMatch: identity });
      const { Body } = await client.send(command, abortableBy(signal));
      await writeFile(paths[i]!, Body as AsyncIterable<Uint8Array>, { signal });
    }
  };
  // All have ended before the folder is removed.
  const ends = await Promise.allSettled(Array.from({ length: MAX_COPIES_AT_ONCE }, copy));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) {
    throw failed.reason;
  }
  return paths;
}

/** As Feast's reader takes it: an address without a scheme is one of HTTPS. */
function asUrl(endpoint: string): string {
  return endpoint.includes('://') ? endpoint : `https://${endpoint}`;
}
