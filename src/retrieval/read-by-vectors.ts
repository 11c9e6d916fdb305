import type { OnlineStore, ReadOptions, StoredCells } from '../online-store/online-store.ts';
import { ABSENT } from './cell-marks.ts';
import { readVector } from './read-vector.ts';
import type { EntityGroupPlan } from './retrieval-plan.ts';
import type { VectorExperience, VectorPlan } from './vector-plan.ts';
import { VECTOR_RESULTS, VECTOR_SKIPPED, VECTOR_USED, type OnVectors } from './vector-result.ts';

/** Where nothing is precomputed, one read in so many looks again whether something is. */
const MAX_REST = 1024;

/** Counts of the read that is being looked at: nothing waits between the first and the last. */
const counts = new Uint32Array(VECTOR_RESULTS.length);

/**
 * Reads a group by its precomputed vectors, and in the ordinary way for entities whose vector is missing, partial or older
 * than their rows: the cells are the same either way, and such entities cost a second read. After reads that found nothing
 * of use it looks for vectors ever less often.
 *
 * @throws SideboardError (by rejection) as `OnlineStore.read`
 */
export async function readByVectors(
  { vectors, group }: { readonly vectors: VectorPlan; readonly group: EntityGroupPlan },
  keys: readonly Uint8Array[],
  {
    store,
    limits,
    onVectors,
  }: {
    readonly store: OnlineStore;
    readonly limits: ReadOptions;
    readonly onVectors: OnVectors | undefined;
  },
): Promise<readonly StoredCells[]> {
  const { prepared } = group;
  const { experience } = vectors;
  if (experience.restCount > 0) {
    experience.restCount--;
    counts.fill(0);
    counts[VECTOR_SKIPPED] = keys.length;
    onVectors?.(vectors.serviceName, counts);
    return await store.read([{ prepared, keys }], limits);
  }
  const [found] = await store.read([{ prepared: vectors.prepared, keys }], limits);
  const cells = {
    buffers: [...found!.buffers],
    starts: new Int32Array(keys.length * prepared.width).fill(ABSENT),
    ends: new Int32Array(keys.length * prepared.width),
  };
  const others: number[] = [];
  counts.fill(0);
  for (let entity = 0; entity < keys.length; entity++) {
    const result = readVector({ vectors, group }, found!, entity, cells);
    counts[result]!++;
    if (result !== VECTOR_USED) others.push(entity);
  }
  onVectors?.(vectors.serviceName, counts);
  learn(experience, others.length < keys.length);
  if (others.length === 0) return [{ ...cells, release: () => found!.release?.() }];
  const otherKeys = others.map((entity) => keys[entity]!);
  const [rows] = await store.read([{ prepared, keys: otherKeys }], limits);
  if (others.length === keys.length) {
    found!.release?.();
    return [rows!];
  }
  for (const [index, entity] of others.entries()) {
    const from = index * prepared.width;
    const to = from + prepared.width;
    cells.buffers[entity] = rows!.buffers[index]!;
    cells.starts.set(rows!.starts.subarray(from, to), entity * prepared.width);
    cells.ends.set(rows!.ends.subarray(from, to), entity * prepared.width);
  }
  const release = (): void => {
    found!.release?.();
    rows!.release?.();
  };
  return [{ ...cells, release }];
}

function learn(experience: VectorExperience, wasOfUse: boolean): void {
  experience.uselessCount = wasOfUse ? 0 : experience.uselessCount + 1;
  experience.restCount = wasOfUse ? 0 : Math.min(MAX_REST, 2 ** experience.uselessCount) - 1;
}
