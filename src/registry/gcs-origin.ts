import { Storage } from '@google-cloud/storage';
import type { GcsRegistryPlace } from '../config/registry-place.ts';
import { collectBytes } from './collect-bytes.ts';
import { untilAborted } from './registry-database.ts';
import type { RegistryOrigin } from './registry-origin.ts';

const REASONS: Readonly<Record<string, string>> = {
  401: 'the credentials are not accepted',
  403: 'the credentials may not read it',
  404: 'there is no such object',
  ECONNREFUSED: 'nothing listens at the endpoint',
  ENOTFOUND: 'there is no such host',
};

/** A registry in Google Cloud Storage. */
export function createGcsOrigin({ bucket, object, endpoint }: GcsRegistryPlace): RegistryOrigin {
  const storage = new Storage({
    // It is looked at again anyway.
    retryOptions: { maxRetries: 1 },
    ...(endpoint === undefined ? {} : { apiEndpoint: endpoint }),
  });
  // The library takes STORAGE_EMULATOR_HOST for the whole base, Feast's (Python) for the host alone.
  if (endpoint !== undefined) storage.baseUrl = `${endpoint.replace(/\/+$/, '')}/storage/v1`;
  const file = storage.bucket(bucket).file(object);
  const look = async (signal: AbortSignal): Promise<{ identity: string; size: number }> => {
    const [{ generation, size }] = await untilAborted(file.getMetadata(), signal);
    return { identity: String(generation), size: Number(size) };
  };
  return {
    name: `gs://${bucket}/${object}`,
    minPollMs: 5000,
    remedy: 'write it with "feast apply"',
    identify: async (signal) => (await look(signal)).identity,
    async read(signal) {
      // Of the content that is read or an older one, so that a newer one is seen as a change.
      const { identity, size } = await look(signal);
      const stream = file.createReadStream();
      try {
        return { bytes: await untilAborted(collectBytes(stream, size), signal), identity };
      } finally {
        stream.destroy();
      }
    },
    explain(error) {
      const { code, message } = error as {
        readonly code?: string | number;
        readonly message?: string;
      };
      if (message?.includes('default credentials') === true) {
        return 'there are no Google credentials';
      }
      return REASONS[String(code)] ?? `it cannot be read (${code ?? 'no reason given'})`;
    },
    close: async () => {},
  };
}
