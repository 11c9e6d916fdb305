import { open, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** What tells one content of a file from another without reading it. */
export type FileIdentity = string;

/** A whole file, read while nobody was writing it. */
export interface SettledFile {
  readonly bytes: Uint8Array;
  readonly identity: FileIdentity;
}

/** Feast writes a registry in place; one that changed less than this ago may not be all there. */
const SETTLE_MS = 50;
const MAX_ATTEMPTS = 20;

/** Inode, size and times of a file. @throws Error of node:fs, such as ENOENT */
export async function identifyFile(path: string): Promise<FileIdentity> {
  return identityOf(await stat(path, { bigint: true }));
}

/**
 * Reads a file that others write in place: waits until it has been left alone for a moment, and reads again when it
 * changed during the read. A file that never rests is read as it is after a second.
 *
 * @param now the clock, milliseconds since the epoch.
 * @throws Error of node:fs, such as ENOENT
 */
export async function readSettledFile(
  path: string,
  now: () => number = Date.now,
): Promise<SettledFile> {
  let lastSeen: FileIdentity | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const file = await open(path);
    try {
      const before = await file.stat({ bigint: true });
      const identity = identityOf(before);
      const isLast = attempt === MAX_ATTEMPTS;
      // The time of the last change, which nobody can set. It may lie in the future: file servers have clocks of their own.
      const restedMs = now() - Number(before.ctimeMs);
      if (restedMs >= SETTLE_MS || identity === lastSeen || isLast) {
        const bytes = await file.readFile();
        const isSame = identityOf(await file.stat({ bigint: true })) === identity;
        if (isSame || isLast) return { bytes, identity };
      }
      lastSeen = identity;
    } finally {
      await file.close();
    }
    await delay(SETTLE_MS);
  }
}

function identityOf(stats: {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}): FileIdentity {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(':');
}
