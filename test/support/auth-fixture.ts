import { Buffer } from 'node:buffer';

/** A token that nobody has signed. */
export const unsignedToken = (claims: object): string =>
  [{ alg: 'none' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.') + '.';

/** A `Permission` on the feature views of project `rides`, as a registry holds it. */
export function permission(name: string, actions: readonly string[], policy: object) {
  const spec = { name, project: 'rides', types: ['FEATURE_VIEW'], actions, policy };
  return { spec } as { spec: never };
}
