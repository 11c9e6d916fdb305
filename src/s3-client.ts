import { S3Client } from '@aws-sdk/client-s3';

const REASONS: Readonly<Record<string, string>> = {
  NoSuchBucket: 'there is no such bucket',
  NoSuchKey: 'there is no such object',
  NotFound: 'there is no such object',
  AccessDenied: 'the credentials may not read it',
  Forbidden: 'the credentials may not read it',
  InvalidAccessKeyId: 'the access key is unknown',
  SignatureDoesNotMatch: 'the secret key is wrong',
  ExpiredToken: 'the credentials have expired',
  PreconditionFailed: 'it was replaced while it was read',
  CredentialsProviderError: 'there are no AWS credentials',
  ECONNREFUSED: 'nothing listens at the endpoint',
  ENOTFOUND: 'there is no such host',
};

/** Where an S3 is. Credentials are found as the AWS SDK finds them. */
export interface S3Place {
  readonly region: string;
  /** URL of a store that is not AWS; `undefined` = AWS, or what the AWS SDK finds in its environment. */
  readonly endpoint?: string | undefined;
}

/** Opens a client of S3, or of a store that speaks its protocol. */
export function openS3Client({ region, endpoint }: S3Place): S3Client {
  return new S3Client({
    region,
    followRegionRedirects: true,
    // Stores that are not AWS rarely have a host name per bucket, or the newer checksums.
    ...(endpoint === undefined
      ? {}
      : { endpoint, forcePathStyle: true, responseChecksumValidation: 'WHEN_REQUIRED' as const }),
  });
}

/** What went wrong with an object, as half a sentence. */
export function explainS3Error(error: unknown): string {
  const { name, code } = error as Error & { readonly code?: string };
  return REASONS[code ?? name] ?? REASONS[name] ?? `it cannot be read (${code ?? name})`;
}
