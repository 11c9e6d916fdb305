import type { Environment } from './expand-environment.ts';
import type { S3Location } from './registry-place.ts';

/** As boto3 does without a region; S3 names the right one, and is asked again there. */
const DEFAULT_REGION = 'us-east-1';

/** Where S3 is, by the variables of Feast and of the AWS SDKs. */
export function readS3Location(env: Environment): S3Location {
  return {
    endpoint: env['FEAST_S3_ENDPOINT_URL'] ?? env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'],
    region: env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? DEFAULT_REGION,
  };
}
