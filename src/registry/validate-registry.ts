import { SideboardError } from '../errors.ts';
import {
  findCollisions,
  findReferenceProblems,
  hasSameStoredFields,
  type HashFeatureField,
} from './find-registry-problems.ts';
import { loadRegistry, type LoadedRegistry } from './load-registry.ts';
import type { SnapshotOptions } from './registry-snapshot.ts';
import { runInSlices, type Work } from './run-in-slices.ts';

/**
 * How long the work may hold the event loop at a time. A request waits for at most one slice whenever it needs the loop,
 * which is twice: when it comes, and when the store has answered.
 */
const SLICE_MS = 0.25;

/** Bytes that are compared at a time, in a small part of a slice. */
const COMPARED_BYTES = 256 * 1024;

/** A registry that can be served. */
export interface ValidRegistry {
  readonly loaded: LoadedRegistry;
  /** Features that overwrite each other in Redis, a sentence each. */
  readonly collisions: readonly string[];
  /** What would make answers fail or be wrong, a sentence each; `collisions` are among them. */
  readonly problems: readonly string[];
}

/** Whose part of the registry, and how to look at it. */
export interface ValidationOptions extends SnapshotOptions {
  readonly hashFeatureField: HashFeatureField;
}

/**
 * Decodes and checks the bytes of a registry, in slices between requests. What did not change since `previous` is taken
 * over from it; equal bytes give back `previous` itself.
 *
 * @throws SideboardError REGISTRY_UNAVAILABLE, whose message says what is wrong with them in a few words
 */
export async function validateRegistry(
  bytes: Uint8Array,
  options: ValidationOptions,
  previous: ValidRegistry | undefined,
): Promise<ValidRegistry> {
  return await runInSlices(validate(bytes, options, previous), SLICE_MS);
}

function* validate(
  bytes: Uint8Array,
  options: ValidationOptions,
  previous: ValidRegistry | undefined,
): Work<ValidRegistry> {
  if (previous !== undefined && (yield* isSame(bytes, previous.loaded.bytes))) return previous;
  if (bytes.length === 0) throw unusable('it is empty');
  let loaded: LoadedRegistry;
  try {
    loaded = yield* loadRegistry(bytes, options, previous?.loaded);
  } catch (error) {
    throw unusable('it is not a registry, or is cut off', error);
  }
  if (!loaded.projectNames.includes(options.project)) {
    const others = loaded.projectNames.join(', ') || 'none';
    throw unusable(`it does not hold project ${options.project} (it holds: ${others})`);
  }
  // Feast writes the list of projects behind the objects: a file that lost it was cut between two of them.
  if (previous?.loaded.listsProject === true && !loaded.listsProject) {
    throw unusable('it is cut off: the list of projects at its end is missing');
  }
  const { snapshot } = loaded;
  const references = yield* findReferenceProblems(snapshot);
  const isStoredAlike =
    previous !== undefined && (yield* hasSameStoredFields(previous.loaded.snapshot, snapshot));
  const collisions = isStoredAlike
    ? previous.collisions
    : yield* findCollisions(snapshot, options.hashFeatureField);
  return { loaded, collisions, problems: [...loaded.duplicates, ...references, ...collisions] };
}

function* isSame(left: Uint8Array, right: Uint8Array): Work<boolean> {
  if (left.length !== right.length) return false;
  for (let at = 0; at < left.length; at += COMPARED_BYTES) {
    const end = at + COMPARED_BYTES;
    if (Buffer.compare(left.subarray(at, end), right.subarray(at, end)) !== 0) return false;
    yield;
  }
  return true;
}

function unusable(reason: string, cause?: unknown): SideboardError {
  return new SideboardError('REGISTRY_UNAVAILABLE', reason, { cause });
}
