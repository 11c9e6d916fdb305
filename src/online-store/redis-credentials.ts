import { readFile } from 'node:fs/promises';
import type { CredentialsProvider } from '../redis/connection-options.ts';

/** A file is looked at again after three quarters of it, and its password presented on connections that stand. */
const FILE_LIFETIME_MS = 240_000;

export interface RedisCredentialOptions {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly passwordFile?: string | undefined;
}

/** Credentials that are known, or that somebody keeps fresh in a file (a token, a mounted secret that is rotated). */
export function credentialsFrom(options: RedisCredentialOptions): CredentialsProvider {
  const { username, password, passwordFile } = options;
  if (passwordFile === undefined) {
    const known = Promise.resolve({ username, password });
    return () => known;
  }
  return async () => {
    const text = await readFile(passwordFile, 'utf8');
    return { username, password: text.replace(/\r?\n$/, ''), lifetimeMs: FILE_LIFETIME_MS };
  };
}
