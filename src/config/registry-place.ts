/** Where a registry is, by its kind. */
export type RegistryPlace =
  | FileRegistryPlace
  | S3RegistryPlace
  | GcsRegistryPlace
  | AzureRegistryPlace
  | SqlRegistryPlace
  | RemoteRegistryPlace;

/** A file of this machine. */
export interface FileRegistryPlace {
  readonly kind: 'file';
  /** Absolute. */
  readonly path: string;
}

/** An object in S3, or in a store that speaks its protocol. Credentials are found as the AWS SDK finds them. */
export interface S3RegistryPlace extends S3Location {
  readonly kind: 's3';
  readonly bucket: string;
  readonly objectKey: string;
}

/** Where an S3 is. */
export interface S3Location {
  /** URL of a store that is not AWS (`FEAST_S3_ENDPOINT_URL`); `undefined` = AWS. */
  readonly endpoint: string | undefined;
  readonly region: string;
}

/** An object in Google Cloud Storage. Credentials are found as Google's libraries find them. */
export interface GcsRegistryPlace {
  readonly kind: 'gcs';
  readonly bucket: string;
  readonly object: string;
  /** URL of an emulator (`STORAGE_EMULATOR_HOST`); `undefined` = Google. */
  readonly endpoint: string | undefined;
}

/** A blob in Azure Storage. */
export interface AzureRegistryPlace {
  readonly kind: 'azure';
  /** URL of the account, without `/` at the end. */
  readonly accountUrl: string;
  readonly accountName: string;
  readonly container: string;
  readonly blob: string;
  /** `REGISTRY_BLOB_KEY`; `undefined` = the identity of the machine or of the signed-in user. */
  readonly accountKey: string | undefined;
}

/** Tables that Feast's SQL registry keeps. */
export interface SqlRegistryPlace {
  readonly kind: 'sql';
  readonly database: SqlDatabase;
}

/** A database of SQLAlchemy's URL. */
export type SqlDatabase =
  | {
      readonly dialect: 'sqlite';
      /** Absolute. */
      readonly path: string;
    }
  | {
      readonly dialect: 'postgresql' | 'mysql';
      /** `undefined` = what the driver takes: this machine, or what `options` say. */
      readonly host: string | undefined;
      /** `undefined` = the usual one. */
      readonly port: number | undefined;
      readonly user: string | undefined;
      readonly password: string | undefined;
      readonly name: string;
      /** What follows `?`, such as `sslmode`. */
      readonly options: Readonly<Record<string, string>>;
    };

/** Feast's registry server. */
export interface RemoteRegistryPlace {
  readonly kind: 'remote';
  /** `host:port`. */
  readonly address: string;
  readonly tls: RemoteRegistryTls | undefined;
  /** Bearer token, or the file that has it and is read at each refresh; both absent = none is sent. */
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  /** Whether permissions are enforced here: a registry that hides them may not pass for one that has none. */
  readonly needsPermissions: boolean;
}

/** TLS towards a registry server; paths are absolute. */
export interface RemoteRegistryTls {
  /** PEM file of the authority; `undefined` = those that Node trusts. */
  readonly caFile: string | undefined;
  /** PEM files of our own certificate and its key; both or none. */
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** Name to expect in the certificate; `undefined` = the host of the address. */
  readonly authority: string | undefined;
}
