import { BlobClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import type { AzureRegistryPlace } from '../config/registry-place.ts';
import type { RegistryOrigin } from './registry-origin.ts';

const REASONS: Readonly<Record<string, string>> = {
  BlobNotFound: 'there is no such blob',
  ContainerNotFound: 'there is no such container',
  AuthenticationFailed: 'the credentials are not accepted',
  AuthorizationFailure: 'the credentials may not read it',
  AuthorizationPermissionMismatch: 'the identity needs the role Storage Blob Data Reader',
  CredentialUnavailableError: 'there are no Azure credentials (REGISTRY_BLOB_KEY, or an identity)',
  AggregateAuthenticationError:
    'there are no Azure credentials (REGISTRY_BLOB_KEY, or an identity)',
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  REQUEST_SEND_ERROR: 'the host cannot be reached',
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
      const reason = [details?.errorCode, code, name].find(
        (candidate) => candidate !== undefined && candidate in REASONS,
      );
      return reason === undefined
        ? `it cannot be read (${details?.errorCode ?? code ?? name})`
        : REASONS[reason]!;
    },
    close: async () => {},
  };
}
