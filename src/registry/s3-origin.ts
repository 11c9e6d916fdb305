import { GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { S3RegistryPlace } from '../config/registry-place.ts';
import type { RegistryOrigin } from './registry-origin.ts';

const REASONS: Readonly<Record<string, string>> = {
  NoSuchBucket: 'there is no such bucket',
  NoSuchKey: 'there is no such object',
  NotFound: 'there is no such object',
  AccessDenied: 'the credentials may not read it',
  Forbidden: 'the credentials may not read it',
  InvalidAccessKeyId: 'the access key is unknown',
  SignatureDoesNotMatch: 'the secret key is wrong',
  ExpiredToken: 'the credentials have expired',
  CredentialsProviderError: 'there are no AWS credentials',
  ECONNREFUSED: 'nothing listens at the endpoint',
  ENOTFOUND: 'there is no such host',
};

/** A registry in S3, or in a store that speaks its protocol. */
export function createS3Origin({
  bucket,
  objectKey,
  endpoint,
  region,
}: S3RegistryPlace): RegistryOrigin {
  const client = new S3Client({
    region,
    followRegionRedirects: true,
    // Stores that are not AWS rarely have a host name per bucket, or the newer checksums.
    ...(endpoint === undefined
      ? {}
      : { endpoint, forcePathStyle: true, responseChecksumValidation: 'WHEN_REQUIRED' as const }),
  });
  const object = { Bucket: bucket, Key: objectKey };
  return {
    name: `s3://${bucket}/${objectKey}`,
    minPollMs: 5000,
    remedy: 'write it with "feast apply"',
    async identify(signal) {
      const { ETag } = await client.send(new HeadObjectCommand(object), { abortSignal: signal });
      return ETag;
    },
    async read(signal) {
      const { Body, ETag } = await client.send(new GetObjectCommand(object), {
        abortSignal: signal,
      });
      const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array();
      return { bytes, identity: ETag };
    },
    explain(error) {
      const { name, code } = error as Error & { readonly code?: string };
      return REASONS[code ?? name] ?? REASONS[name] ?? `it cannot be read (${code ?? name})`;
    },
    async close() {
      client.destroy();
    },
  };
}
