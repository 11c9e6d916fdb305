import { S3Client } from '@aws-sdk/client-s3';
import { explainUnreachable, type Trouble } from './explain-unreachable.ts';

const NO_OBJECT: Trouble = { reason: 'there is no such object' };
const NO_RIGHT: Trouble = {
  reason: 'the credentials may not read it',
  remedy: 'let them s3:GetObject of the object and s3:ListBucket of the bucket',
};
const OTHER_REGION: Trouble = {
  reason: 'the bucket is in another region',
  remedy: 'set AWS_REGION to it',
};

const TROUBLES: Readonly<Record<string, Trouble>> = {
  NoSuchBucket: { reason: 'there is no such bucket', remedy: 'correct its name, or the endpoint' },
  NoSuchKey: NO_OBJECT,
  NotFound: NO_OBJECT,
  AccessDenied: NO_RIGHT,
  Forbidden: NO_RIGHT,
  InvalidAccessKeyId: {
    reason: 'the access key is unknown',
    remedy: 'correct AWS_ACCESS_KEY_ID, or choose another AWS_PROFILE',
  },
  SignatureDoesNotMatch: {
    reason: 'the secret key is wrong',
    remedy: 'correct AWS_SECRET_ACCESS_KEY, or choose another AWS_PROFILE',
  },
  ExpiredToken: {
    reason: 'the credentials have expired',
    remedy: 'renew them, such as by "aws sso login"',
  },
  AuthorizationHeaderMalformed: OTHER_REGION,
  PermanentRedirect: OTHER_REGION,
  PreconditionFailed: { reason: 'it was replaced while it was read' },
  CredentialsProviderError: {
    reason: 'there are no AWS credentials',
    remedy:
      'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role',
  },
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

/** What went wrong with an object. */
export function explainS3Error(error: unknown, { endpoint, region }: S3Place): Trouble {
  const { name, code } = error as Error & { readonly code?: string };
  const remedy =
    endpoint === undefined
      ? `see the network of this machine, and AWS_REGION (${region})`
      : 'see the endpoint: FEAST_S3_ENDPOINT_URL, or s3_endpoint_override of a source';
  return (
    TROUBLES[code ?? name] ??
    TROUBLES[name] ??
    explainUnreachable(error, remedy) ?? { reason: `it cannot be read (${code ?? name})`, remedy }
  );
}
