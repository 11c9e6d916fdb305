import { bytes, choice, count, milliseconds, type Setting } from './setting.ts';

/** What belongs to Feast's `auth` block and has no key there. */
export const AUTH_SETTINGS = [
  {
    name: 'permission_tags',
    kind: choice('ignore', 'match'),
    default: 'ignore',
    doc: "Whether `required_tags` of Feast's permissions are compared with the tags of feature views and services. Feast does not.",
  },
  {
    name: 'without_permissions',
    kind: choice('allow', 'deny'),
    default: 'allow',
    doc: 'What callers who have proved who they are may do where `auth` is on and the registry has no permissions: everything, as in Feast, or nothing.',
  },
  {
    name: 'max_token_bytes',
    kind: bytes,
    default: 16 * 1024,
    unit: 'bytes',
    doc: 'Size of the header `authorization`. One longer is refused unread; `max_header_bytes` counts first.',
  },
  {
    name: 'token_cache_ms',
    kind: milliseconds(0),
    default: 60_000,
    unit: 'ms',
    doc: 'How long a token that was found good is taken without looking at it again: what is taken back elsewhere counts after that. Never beyond its own end, nor a change of the keys of its provider.',
  },
  {
    name: 'token_cache_entries',
    kind: count(),
    default: 10_000,
    unit: 'tokens',
    doc: 'Tokens that are remembered.',
  },
  {
    name: 'oidc_stale_keys_ms',
    kind: milliseconds(0),
    default: 3_600_000,
    unit: 'ms',
    doc: 'How long the keys of an OpenID provider are used that does not answer when they are to be read again.',
  },
  {
    name: 'kubernetes_api_url',
    kind: { type: 'text' },
    default: undefined,
    doc: 'URL of the API server that reviews tokens. Without it that of the cluster that the server runs in.',
  },
  {
    name: 'kubernetes_ca_file',
    kind: { type: 'file' },
    default: undefined,
    doc: 'PEM file of the authority of the API server. Without it that of the pod.',
  },
  {
    name: 'kubernetes_token_file',
    kind: { type: 'file' },
    default: undefined,
    doc: 'File with the token that the API server is asked with, read each time. Without it that of the pod.',
  },
  {
    name: 'kubernetes_namespace',
    kind: { type: 'text' },
    default: undefined,
    doc: 'Namespace whose RoleBindings give service accounts their roles. Without it that of the pod.',
  },
] as const satisfies readonly Setting[];
