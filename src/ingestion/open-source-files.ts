import type { BatchSourceDefinition } from '../registry/registry-model.ts';
import type { S3Place } from '../s3-client.ts';
import { findSourceFiles } from './source-files.ts';
import type { SourceFiles } from './source-files.ts';

/** Where files of batch sources may be, and what copying them may take. */
export interface SourceAccess {
  /** Absolute folder that relative paths start at. */
  readonly repoPath: string;
  /** Where the S3 of sources is that do not say it themselves. */
  readonly s3: S3Place;
  /** Bytes that are copied to this machine for one view. */
  readonly maxSourceBytes: number;
  /** Folder for the copies; by default the system's. */
  readonly temporaryDirectory?: string | undefined;
}

/** The files of a source, on this machine until they are released. */
export interface OpenedSourceFiles extends SourceFiles {
  /** Removes copies. */
  release(): Promise<void>;
}

const S3_URL = /^s3:\/\//i;

/**
 * Finds the files of a file source, and copies those in S3 to a temporary folder.
 *
 * @throws SideboardError UNSUPPORTED_OPERATION, INVALID_SOURCE_DATA, LIMIT_EXCEEDED, CANCELLED.
 */
export async function openSourceFiles(
  source: Pick<BatchSourceDefinition, 'uri' | 's3EndpointOverride'>,
  access: SourceAccess,
  viewName: string,
  signal?: AbortSignal,
): Promise<OpenedSourceFiles> {
  if (S3_URL.test(source.uri)) {
    // Those who have no source there do without loading the library.
    const { copyS3Source } = await import('./copy-s3-source.ts');
    return await copyS3Source(source, access, viewName, signal);
  }
  const files = await findSourceFiles(source.uri, access.repoPath, viewName);
  return { ...files, release: async () => {} };
}
