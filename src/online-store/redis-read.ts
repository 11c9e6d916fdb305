import { hashFeatureField, timestampField } from '../feast-encoding/hash-field.ts';
import { prepareHashFields, type HashFields, type ReadShape } from '../redis/hash-fields.ts';
import type { HashReadResult } from '../redis/hash-read-batch.ts';
import type { HashRows } from '../redis/hash-rows.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import { ShapeChooser } from '../redis/shape-chooser.ts';
import type {
  EntityRead,
  PreparedRead,
  ReadLayout,
  ReadOptions,
  StoredCells,
} from './online-store.ts';
import { storeError } from './redis-errors.ts';

/** How fields are read: as is found quicker, or always in one way. */
export type ReadShapeSetting = 'auto' | ReadShape;

interface RedisPreparedRead extends PreparedRead {
  readonly fields: HashFields;
  readonly group: ViewGroup;
}

/** Views that are read together, so many of their features: one choice of how to read. */
export interface ViewGroup {
  readonly label: string;
  readonly width: number;
  readonly chooser: ShapeChooser;
}

/** Reads of one store. */
export interface RedisReader {
  prepare(layout: ReadLayout): PreparedRead;
  read(reads: readonly EntityRead[], limits: ReadOptions): Promise<readonly StoredCells[]>;
  /** Hashes read so far in each shape. */
  readonly countByShape: Readonly<Record<ReadShape, number>>;
  /** What has been read since the start, the oldest first. */
  groups(): readonly ViewGroup[];
}

/** Groups beyond them make their choice again for each plan. */
const MAX_GROUPS = 1_000;

export function createRedisReader(client: RedisClient, setting: ReadShapeSetting): RedisReader {
  const groups = new Map<string, ViewGroup>();
  const countByShape = { hmget: 0, hgetall: 0 };

  const groupOf = (layout: ReadLayout, fields: HashFields): ViewGroup => {
    const label = layout.views.map(({ storedName }) => storedName).join(',');
    const id = `${layout.project} ${label} ${fields.width}`;
    const known = groups.get(id);
    if (known !== undefined) return known;
    const chooser = new ShapeChooser((keys) => client.measureShapes(fields, keys));
    const group = { label, width: fields.width, chooser };
    if (groups.size < MAX_GROUPS) groups.set(id, group);
    return group;
  };

  const shapeFor = ({ group }: RedisPreparedRead, keys: readonly Uint8Array[]): ReadShape => {
    if (setting !== 'auto') return setting;
    group.chooser.offer(keys, performance.now());
    return group.chooser.shape;
  };

  return {
    countByShape,
    groups: () => [...groups.values()],
    prepare(layout) {
      const fields = prepareHashFields(fieldsOf(layout));
      const prepared: RedisPreparedRead = {
        keySuffix: new TextEncoder().encode(layout.project),
        width: fields.width,
        fields,
        group: groupOf(layout, fields),
      };
      return prepared;
    },
    read(reads, limits) {
      const hashReads = reads.map(({ prepared, keys }) => {
        const shape = shapeFor(prepared as RedisPreparedRead, keys);
        countByShape[shape] += keys.length;
        return { fields: (prepared as RedisPreparedRead).fields, keys, shape };
      });
      // No async function on the way of a read: each costs more than the work that is done in it.
      return client.readHashes(hashReads, limits).then(cellsOf, failAsStore);
    },
  };
}

function cellsOf({ cells, hashCount, lostCount, lostReason }: HashReadResult): readonly HashRows[] {
  // With nothing left there is no part to answer with.
  if (lostReason !== undefined && lostCount === hashCount) {
    for (const rows of cells) rows.release();
    throw storeError(lostReason);
  }
  return cells;
}

function failAsStore(error: unknown): never {
  throw storeError(error);
}

/** The fields of a hash that a layout reads, in the order of its cells. */
export function fieldsOf({ views }: Pick<ReadLayout, 'views'>): Uint8Array[] {
  return views.flatMap(({ storedName, featureNames }) => [
    ...featureNames.map((featureName) => hashFeatureField(storedName, featureName)),
    timestampField(storedName),
  ]);
}
