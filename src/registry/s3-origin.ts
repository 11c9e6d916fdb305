import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import type { S3RegistryPlace } from '../config/registry-place.ts';
import { explainS3Error, openS3Client } from '../s3-client.ts';
import { collectBytes } from './collect-bytes.ts';
import type { RegistryOrigin } from './registry-origin.ts';

/** A registry in S3, or in a store that speaks its protocol. */
export function createS3Origin(place: S3RegistryPlace): RegistryOrigin {
  const { bucket, objectKey } = place;
  const client = openS3Client(place);
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
      const { Body, ContentLength, ETag } = await client.send(new GetObjectCommand(object), {
        abortSignal: signal,
      });
      const body = Body as AsyncIterable<Uint8Array> | undefined;
      if (body === undefined) return { bytes: new Uint8Array(), identity: ETag };
      return { bytes: await collectBytes(body, ContentLength), identity: ETag };
    },
    explain: (error) => explainS3Error(error, place),
    async close() {
      client.destroy();
    },
  };
}
