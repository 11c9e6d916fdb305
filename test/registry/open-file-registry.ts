import { createFileOrigin } from '../../src/registry/file-origin.ts';
import { openKeptRegistry } from '../../src/registry/kept-registry.ts';
import type { KeptRegistryOptions } from '../../src/registry/kept-registry.ts';
import type { RegistrySource } from '../../src/registry/registry-model.ts';

/** A registry file and how to keep it. */
export interface FileRegistryOptions extends Omit<KeptRegistryOptions, 'timeoutMs'> {
  /** Absolute. */
  readonly path: string;
}

/** Opens a registry file as the server does. */
export function openFileRegistry(options: FileRegistryOptions): Promise<RegistrySource> {
  return openKeptRegistry(createFileOrigin(options.path), { ...options, timeoutMs: 10_000 });
}
