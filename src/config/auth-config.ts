/** Who may use a server, and how that is found out: Feast's `auth` block with the settings that belong to it. */
export type AuthConfig = OidcConfig | KubernetesAuthConfig;

/** What both kinds have. */
interface TokenConfig {
  readonly maxTokenBytes: number;
  /** How long a token that was found good is taken without asking again. */
  readonly cacheMs: number;
  readonly maxCachedTokens: number;
  /** Of one question to the provider or the cluster. */
  readonly requestTimeoutMs: number;
  /** Whether `required_tags` of permissions are compared with the tags of objects. */
  readonly requiredTags: 'ignore' | 'match';
  /** What callers who have proved who they are may do where the registry has no permissions. */
  readonly withoutPermissions: 'allow' | 'deny';
  /** `INTRA_COMMUNICATION_BASE64`: whoever knows it may do everything; `undefined` = nobody. */
  readonly intraServerSecret: string | undefined;
}

/** Tokens of an OpenID provider. */
export interface OidcConfig extends TokenConfig {
  readonly kind: 'oidc';
  readonly discoveryUrl: string;
  /** Whose roles count in `resource_access`; `undefined` = nobody's. */
  readonly clientId: string | undefined;
  /** What `aud` and `iss` have to be; `undefined` = they are not looked at. */
  readonly audience: string | undefined;
  readonly issuer: string | undefined;
  /** Absolute path of a PEM file; `undefined` = the authorities that Node trusts. */
  readonly caFile: string | undefined;
  readonly verifiesCertificate: boolean;
  readonly jwksLifespanMs: number;
  /** How long keys are used that cannot be read again. */
  readonly staleKeysMs: number;
  /** The cluster whose service accounts are accepted too; `undefined` = none. */
  readonly kubernetes: KubernetesPlace | undefined;
}

/** Tokens of a Kubernetes cluster. */
export interface KubernetesAuthConfig extends TokenConfig {
  readonly kind: 'kubernetes';
  readonly kubernetes: KubernetesPlace;
}

/** A cluster, and who we are in it; paths are absolute. */
export interface KubernetesPlace {
  readonly apiUrl: string;
  readonly caFile: string;
  readonly tokenFile: string;
  /** `undefined` = what `namespaceFile` says. */
  readonly namespace: string | undefined;
  readonly namespaceFile: string;
}
