import { identifyFile, readSettledFile } from './read-settled-file.ts';
import type { RegistryOrigin } from './registry-origin.ts';

/** A registry file, which others may write in place. */
export function createFileOrigin(path: string): RegistryOrigin {
  return {
    name: path,
    minPollMs: 0,
    remedy: 'write it with "sideboard apply" or "feast apply"',
    identify: () => identifyFile(path),
    read: () => readSettledFile(path),
    explain(error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return { reason: 'there is no such file' };
      return { reason: `it cannot be read${code === undefined ? '' : ` (${code})`}` };
    },
    close: async () => {},
  };
}
