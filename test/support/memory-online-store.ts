import { Buffer } from 'node:buffer';
import { performance } from 'node:perf_hooks';
import { cancelled, deadlineExceeded } from '../../src/errors.ts';
import { decodeTimestamp, encodeTimestamp } from '../../src/feast-encoding/timestamp.ts';
import { slabOf } from '../../src/online-store/online-store.ts';
import type {
  EntityRead,
  OnlineStore,
  PreparedRead,
  ReadLayout,
  ReadOptions,
  StoredCells,
  StoredField,
  WriteBatch,
  WriteResult,
} from '../../src/online-store/online-store.ts';
import { storedCells } from './stored-cells.ts';

/** The fields of one entity, by `fieldOf`. */
type Fields = Map<string, Uint8Array>;

interface MemoryPreparedRead extends PreparedRead {
  /** One per cell. */
  readonly fields: readonly string[];
}

/** A store in memory, with a door for tests that want to put in what no writer would. */
export interface MemoryOnlineStore extends OnlineStore {
  /** Entity keys with project, in hex → what is stored. */
  readonly entities: Map<string, Fields>;
}

/** Name of the field of a feature, or of a view's event timestamp (`featureName` undefined). */
export function fieldOf(storedViewName: string, featureName?: string): string {
  return JSON.stringify([storedViewName, featureName ?? null]);
}

/** A whole `OnlineStore` of maps: Redis's semantics (one hash per entity, newer rows win) without Redis. */
export function createMemoryOnlineStore(): MemoryOnlineStore {
  const entities = new Map<string, Fields>();
  return {
    kind: 'memory',
    readsUnknownViews: true,
    entities,
    prepare,
    async read(reads, options) {
      refuseLate(options);
      await Promise.resolve();
      refuseLate(options);
      return reads.map((read) => readEntities(entities, read));
    },
    async write(batch, options) {
      refuseLate(options);
      return writeRows(entities, batch);
    },
    async update(project, _keep, remove) {
      const suffix = Buffer.from(project, 'utf8').toString('hex');
      const removed = new Set(
        remove.map((view) => (typeof view === 'string' ? view : view.storedName)),
      );
      for (const [key, fields] of entities) {
        if (!key.endsWith(suffix)) continue;
        for (const field of fields.keys()) {
          if (removed.has((JSON.parse(field) as [string])[0])) fields.delete(field);
        }
      }
    },
    async ping(options) {
      refuseLate(options);
    },
    async check() {
      return [{ level: 'ok', message: `${entities.size} entities in memory` }];
    },
    async inspect(project, entityKey) {
      const key = storeKey(entityKey, project);
      return {
        place: [
          ['project', project],
          ['key', key],
        ],
        fields: storedFields(entities.get(key)),
      };
    },
    async close() {
      entities.clear();
    },
  };
}

function prepare({ project, views }: ReadLayout): MemoryPreparedRead {
  const fields = views.flatMap(({ storedName, featureNames }) => [
    ...featureNames.map((feature) => fieldOf(storedName, feature)),
    fieldOf(storedName),
  ]);
  return { keySuffix: new TextEncoder().encode(project), width: fields.length, fields };
}

function readEntities(
  entities: ReadonlyMap<string, Fields>,
  { prepared, keys }: EntityRead,
): StoredCells {
  const { fields } = prepared as MemoryPreparedRead;
  const cells = keys.flatMap((key) => {
    const stored = entities.get(Buffer.from(key).toString('hex'));
    return fields.map((field) => stored?.get(field) ?? null);
  });
  return storedCells(cells, prepared.width);
}

function writeRows(entities: Map<string, Fields>, batch: WriteBatch): WriteResult {
  const { project, view } = batch;
  const rows = slabOf(batch).rows();
  let written = 0;
  for (const { entityKey, eventTimestampNs, values } of rows) {
    const key = storeKey(entityKey, project);
    const fields = entities.get(key) ?? new Map<string, Uint8Array>();
    entities.set(key, fields);
    const stored = fields.get(fieldOf(view.storedName));
    const storedNs = stored === undefined ? 0n : decodeTimestamp(stored);
    if (storedNs !== 0n && eventTimestampNs <= storedNs) continue;
    written++;
    fields.set(fieldOf(view.storedName), encodeTimestamp(eventTimestampNs));
    for (const [index, value] of values.entries()) {
      if (value !== undefined)
        fields.set(fieldOf(view.storedName, view.featureNames[index]), Buffer.from(value));
    }
  }
  return { written, stale: rows.length - written };
}

function storedFields(fields: Fields | undefined): StoredField[] {
  return [...(fields ?? [])].map(([name, value]) => ({ name: Buffer.from(name), value }));
}

function storeKey(entityKey: Uint8Array, project: string): string {
  return Buffer.concat([entityKey, Buffer.from(project, 'utf8')]).toString('hex');
}

function refuseLate({ deadlineAtMs, signal }: ReadOptions): void {
  if (signal?.aborted === true) throw cancelled();
  if (performance.now() >= deadlineAtMs) throw deadlineExceeded('before the store was asked');
}
