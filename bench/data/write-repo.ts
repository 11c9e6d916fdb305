import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runPython } from '../../test/support/python.ts';
import { WRITTEN_ENTITY, WRITTEN_FEATURES, writtenValue } from './write-rows.ts';

/** Script that stands for the real Feast SDK. */
export const WRITE_REPO_SCRIPT = join(import.meta.dirname, '..', 'python', 'write_repo.py');

/** A repository that the real SDK has applied: views `batch` (over a Parquet file) and `pushed` (push source `events`). */
export interface WriteRepo {
  readonly path: string;
  remove(): Promise<void>;
}

/** Makes one with `rows` rows in its Parquet file. @param onlineStore block of YAML. @throws Error without `scripts/interop` */
export async function makeWriteRepo(onlineStore: string, rows: number): Promise<WriteRepo> {
  const path = await mkdtemp(join(tmpdir(), 'sideboard-bench-writes-'));
  await mkdir(join(path, 'data'));
  const yaml = `project: bench
provider: local
registry: registry.db
online_store:
${onlineStore}
entity_key_serialization_version: 3
`;
  await writeFile(join(path, 'feature_store.yaml'), yaml);
  await runPython(WRITE_REPO_SCRIPT, ['make', path, String(rows)], { cwd: path });
  return { path, remove: () => rm(path, { recursive: true }) };
}

/** Rows that have to be stored: what a view holds for an entity is what row `n` wrote. */
export interface StoredRows {
  readonly view: 'batch' | 'pushed';
  readonly entities: readonly { readonly id: number; readonly n: number }[];
}

interface Answer {
  readonly metadata: { readonly feature_names: readonly string[] };
  readonly results: readonly { readonly values: readonly unknown[] }[];
}

/** Reads rows from a feature server and compares every value. @throws Error naming the first that is another */
export async function verifyStored(url: string, { view, entities }: StoredRows): Promise<void> {
  const response = await fetch(`${url}/get-online-features`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      features: WRITTEN_FEATURES.map((name) => `${view}:${name}`),
      entities: { [WRITTEN_ENTITY]: entities.map(({ id }) => id) },
    }),
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status} to a read`);
  const { metadata, results } = (await response.json()) as Answer;
  for (const [feature, name] of WRITTEN_FEATURES.entries()) {
    const column = results[metadata.feature_names.indexOf(name)];
    for (const [i, { id, n }] of entities.entries()) {
      const [wanted, found] = [writtenValue(n, feature), column?.values[i]];
      if (found !== wanted) {
        throw new Error(`${view}:${name} of ${id} is ${String(found)}, not ${String(wanted)}`);
      }
    }
  }
}
