import { randomUUID } from 'node:crypto';
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { RegistrySchema } from '../../gen/feast/core/Registry_pb.ts';
import type { Registry } from '../../gen/feast/core/Registry_pb.ts';
import { SideboardError } from '../errors.ts';

/** How long a writer waits for another one, and how old a lock has to be to count as left behind. */
const LOCK_WAIT_MS = 10_000;
const LOCK_STALE_MS = 30_000;
const LOCK_POLL_MS = 20;

/** Feast's own writers do not look at our lock; the file that they changed meanwhile is read and changed again. */
const MAX_ATTEMPTS = 5;

const REGISTRY_SCHEMA_VERSION = '1';

/**
 * Reads a registry file: one serialized `feast.core.Registry`. Fields that we do not know are kept in the message.
 *
 * @returns `undefined` where there is no such file.
 * @throws SideboardError REGISTRY_UNAVAILABLE when it cannot be read, is empty, or is no registry.
 */
export async function readRegistryFile(path: string): Promise<Registry | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw registryUnusable(`cannot read ${path}`, error);
  }
  if (bytes.length === 0) {
    throw registryUnusable(`${path} is empty: a writer is at work or died; apply again`);
  }
  try {
    return fromBinary(RegistrySchema, bytes);
  } catch (error) {
    throw registryUnusable(`${path} is no Feast registry`, error);
  }
}

/**
 * Changes a registry file: reads it, lets `change` edit the message, and puts the result in its place at once (a file
 * beside it, synced, then renamed), so that a reader sees the old registry or the new one and never a part. Writers of
 * this program wait for each other; a change by anyone else between reading and writing is taken in by starting over.
 * `version_id` and `last_updated` are set as Feast sets them. The folder must exist.
 *
 * @param path is created when it does not exist; `change` then gets an empty registry.
 * @param change edits the message in place and may run several times; returning `false` leaves the file as it is.
 * @returns the registry as it now is in the file.
 * @throws SideboardError REGISTRY_UNAVAILABLE as `readRegistryFile`, or when the file cannot be written.
 */
export async function updateRegistryFile(
  path: string,
  change: (registry: Registry) => boolean | void,
  nowMs: number = Date.now(),
): Promise<Registry> {
  const target = await resolveLinks(path);
  const lock = `${target}.lock`;
  await takeLock(lock);
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const found = await readRegistryFile(target);
      const registry = found ?? create(RegistrySchema);
      const versionId = found?.versionId;
      if (change(registry) === false) {
        return registry;
      }
      registry.registrySchemaVersion ||= REGISTRY_SCHEMA_VERSION;
      registry.versionId = randomUUID();
      registry.lastUpdated = timestampFromMs(nowMs);
      if (await replaceFile(target, toBinary(RegistrySchema, registry), versionId)) {
        return registry;
      }
    }
    throw registryUnusable(`${path} keeps being changed by another writer`);
  } finally {
    await rm(lock, { force: true });
  }
}

/** Renames over the file unless its version is no longer the expected one; `undefined` = it did not exist. */
async function replaceFile(
  target: string,
  bytes: Uint8Array,
  expectedVersionId: string | undefined,
): Promise<boolean> {
  const temporary = join(dirname(target), `.${basename(target)}.${randomUUID()}.tmp`);
  try {
    const mode = await stat(target).then(
      (found) => found.mode & 0o777,
      () => 0o644,
    );
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    if ((await readRegistryFile(target))?.versionId !== expectedVersionId) {
      return false;
    }
    await rename(temporary, target);
    return true;
  } catch (error) {
    throw error instanceof SideboardError
      ? error
      : registryUnusable(`cannot write ${target}`, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function takeLock(lock: string): Promise<void> {
  const giveUpAtMs = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      const file = await open(lock, 'wx');
      await file.close();
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw registryUnusable(`cannot write ${dirname(lock)}`, error);
      }
    }
    const heldSinceMs = await stat(lock).then(
      (found) => found.mtimeMs,
      () => Date.now(),
    );
    if (Date.now() - heldSinceMs > LOCK_STALE_MS) {
      await rm(lock, { force: true });
    } else if (performance.now() > giveUpAtMs) {
      throw registryUnusable(`another writer holds ${lock}; delete it if none is running`);
    } else {
      await delay(LOCK_POLL_MS);
    }
  }
}

/** A registry may be a link to a file elsewhere; renaming has to replace the file, not the link. */
async function resolveLinks(path: string): Promise<string> {
  return await realpath(path).catch(() => path);
}

function registryUnusable(detail: string, cause?: unknown): SideboardError {
  return new SideboardError('REGISTRY_UNAVAILABLE', `registry: ${detail}`, { cause });
}
