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
import { isSameBytes } from './same-bytes.ts';

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
  return await runInSlices(validate(bytes, options, previous));
}

function* validate(
  bytes: Uint8Array,
  options: ValidationOptions,
  previous: ValidRegistry | undefined,
): Work<ValidRegistry> {
  if (previous !== undefined && (yield* isSameBytes(bytes, previous.loaded.bytes))) return previous;
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

function unusable(reason: string, cause?: unknown): SideboardError {
  return new SideboardError('REGISTRY_UNAVAILABLE', reason, { cause });
}
