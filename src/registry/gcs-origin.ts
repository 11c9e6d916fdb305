import { Storage } from '@google-cloud/storage';
import type { GcsRegistryPlace } from '../config/registry-place.ts';
import { collectBytes } from './collect-bytes.ts';
import { untilAborted } from './registry-database.ts';
import { explainUnreachable, type Trouble } from '../explain-unreachable.ts';
import type { RegistryOrigin } from './registry-origin.ts';

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
    explain: (error) => explain(error, endpoint),
    close: async () => {},
  };
}

/** Of Google's libraries. */
interface GcsError {
  readonly code?: string | number;
  readonly message?: string;
}

const SET_CREDENTIALS =
  'name the file of a service account in GOOGLE_APPLICATION_CREDENTIALS, sign in with "gcloud auth application-default login", or give the machine a service account';

/** The library goes on without credentials where it finds none, as somebody whom nobody knows. */
function explain(error: unknown, endpoint: string | undefined): Trouble {
  const { code, message = '' } = error as GcsError;
  if (message.includes('GOOGLE_APPLICATION_CREDENTIALS')) {
    return {
      reason: 'the file of the credentials cannot be read',
      remedy: 'correct GOOGLE_APPLICATION_CREDENTIALS',
    };
  }
  if (message.includes('default credentials') || message.includes('Anonymous caller')) {
    return { reason: 'there are no Google credentials', remedy: SET_CREDENTIALS };
  }
  if (message.includes('invalid_grant') || String(code) === '401') {
    return {
      reason: 'the credentials are not accepted',
      remedy: 'make a new key or sign in again, and see the clock of this machine',
    };
  }
  if (String(code) === '403') {
    return {
      reason: 'the credentials may not read it',
      remedy: 'give their account the role Storage Object Viewer of the bucket',
    };
  }
  if (String(code) === '404') {
    return message.includes('bucket does not exist')
      ? { reason: 'there is no such bucket', remedy: 'correct its name' }
      : { reason: 'there is no such object' };
  }
  const remedy =
    endpoint === undefined
      ? 'see the network of this machine'
      : 'see the endpoint: STORAGE_EMULATOR_HOST';
  return (
    explainUnreachable(error, remedy) ?? {
      reason: `it cannot be read (${code ?? 'no reason given'})`,
      remedy,
    }
  );
}
