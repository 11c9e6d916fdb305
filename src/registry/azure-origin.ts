import { BlobClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import type { AzureRegistryPlace } from '../config/registry-place.ts';
import { explainUnreachable, type Trouble } from '../explain-unreachable.ts';
import type { RegistryOrigin } from './registry-origin.ts';

const NO_CREDENTIALS: Trouble = {
  reason: 'there are no Azure credentials',
  remedy: 'set REGISTRY_BLOB_KEY, sign in with "az login", or give the machine an identity',
};
const TROUBLES: Readonly<Record<string, Trouble>> = {
  BlobNotFound: { reason: 'there is no such blob' },
  ContainerNotFound: { reason: 'there is no such container', remedy: 'correct its name' },
  AuthenticationFailed: {
    reason: 'the credentials are not accepted',
    remedy: 'correct REGISTRY_BLOB_KEY, or take it away for the identity of the machine',
  },
  AuthorizationFailure: {
    reason: 'the credentials may not read it',
    remedy: 'give them the role Storage Blob Data Reader, and see the firewall of the account',
  },
  AuthorizationPermissionMismatch: {
    reason: 'the identity may not read it',
    remedy: 'give it the role Storage Blob Data Reader',
  },
  CredentialUnavailableError: NO_CREDENTIALS,
  AggregateAuthenticationError: NO_CREDENTIALS,
};

/** A registry in Azure Blob Storage. */
export async function createAzureOrigin(place: AzureRegistryPlace): Promise<RegistryOrigin> {
  const { accountUrl, accountName, container, blob, accountKey } = place;
  const url = `${accountUrl}/${[container, ...blob.split('/')].map(encodeURIComponent).join('/')}`;
  const client = new BlobClient(
    url,
    accountKey === undefined
      ? new (await import('@azure/identity')).DefaultAzureCredential()
      : new StorageSharedKeyCredential(accountName, accountKey),
    { retryOptions: { maxTries: 2 } },
  );
  return {
    name: url,
    minPollMs: 5000,
    remedy: 'write it with "feast apply"',
    async identify(abortSignal) {
      return (await client.getProperties({ abortSignal })).etag;
    },
    async read(abortSignal) {
      const { etag } = await client.getProperties({ abortSignal });
      return {
        bytes: await client.downloadToBuffer(0, undefined, { abortSignal }),
        identity: etag,
      };
    },
    explain(error) {
      const { code, name, details } = error as Error & {
        readonly code?: string;
        readonly details?: { readonly errorCode?: string };
      };
      const known = [details?.errorCode, code, name].find(
        (candidate) => candidate !== undefined && candidate in TROUBLES,
      );
      if (known !== undefined) return TROUBLES[known]!;
      const remedy = `see the network of this machine, and the name of the account (${accountUrl})`;
      const unreachable =
        code === 'REQUEST_SEND_ERROR'
          ? { reason: 'the host cannot be reached', remedy }
          : explainUnreachable(error, remedy);
      const what = details?.errorCode ?? code ?? name;
      return unreachable ?? { reason: `it cannot be read (${what})`, remedy };
    },
    close: async () => {},
  };
}
