import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runPython } from '../support/python.ts';
import { runSideboard } from '../system/apply-fixture.ts';
import { dumpSqlite } from '../system/materialize-fixture.ts';
import { startFeastTransformationServer, type ForeignServer } from './foreign-servers.ts';

const SCRIPT = join(import.meta.dirname, 'python', 'materialize_on_demand.py');
const WINDOW = ['2025-01-01T00:00:00+00:00', '2025-01-01T01:00:00+00:00'];

const LATER = '2025-01-01T01:30:00+00:00';

/** What Feast runs is `pythonSource`, what we run is `compute`. */
const FEATURES = `
import {
  Bool, defineEntity, defineFeatureView, defineFileSource, defineOnDemandFeatureView, Float64, Int64, listOf, String,
} from 'sideboard';

const driver = defineEntity({ name: 'driver', joinKey: 'driver_id', valueType: Int64 });
const file = defineFileSource({
  name: 'stats_source', path: 'data/stats.parquet', timestampField: 'event_timestamp', createdTimestampColumn: 'created',
});
export const stats = defineFeatureView({
  name: 'stats', entities: [driver], ttl: { days: 400 }, source: file,
  schema: { trips: Int64, rating: Float64, home: String, recent: listOf(Int64) },
});
export const shapes = defineOnDemandFeatureView({
  name: 'shapes', mode: 'pandas', entities: [driver], sources: [stats], writeToOnlineStore: true,
  schema: { double: Int64, half: Float64, shout: String, good: Bool, items: listOf(Int64) },
  compute: ({ trips, rating, home, recent }) => ({
    double: trips.map((each) => 2n * (each ?? 0n)),
    half: rating.map((each) => each === null ? null : each / 2),
    shout: home.map((each) => each?.toUpperCase() ?? null),
    good: rating.map((each) => each !== null && each > 3),
    items: recent.map((each) => (each ?? []).map((item) => 2n * item!)),
  }),
  pythonSource: \`def shapes(inputs):
    import pandas as pd
    out = pd.DataFrame()
    out["double"] = inputs["trips"].fillna(0).astype("int64") * 2
    out["half"] = inputs["rating"] / 2
    out["shout"] = [None if each is None else str(each).upper() for each in inputs["home"]]
    out["good"] = inputs["rating"] > 3
    out["items"] = [[] if each is None else [2 * i for i in each] for each in inputs["recent"]]
    return out
\`,
});
`;

type StoredRow = readonly [
  key: string,
  feature: string,
  value: string,
  type: string,
  isNow: boolean,
];

interface StoredCell {
  readonly k: string;
  readonly feature_name: string;
  readonly v: string;
  readonly event_ts: number;
  readonly te: string;
}

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sideboard-materialize-on-demand-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const configuration = (store: string, endpoint?: number): string =>
  `project: kept
provider: local
registry: registry.db
entity_key_serialization_version: 3
online_store:
  type: sqlite
  path: ${store}
${endpoint === undefined ? '' : `feature_server:\n  transformation_service_endpoint: 127.0.0.1:${endpoint}\n`}`;

/** A folder for Feast's command, which fills `feast.db`. */
async function makeRepository(name: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, 'data'), { recursive: true });
  await writeFile(join(path, 'feature_store.yaml'), configuration('feast.db'));
  return path;
}

/** Has the real SDK materialize into `feast.db`, and our command into `ours.db`, from the same files. */
async function materializeBoth(
  path: string,
  runs: readonly (readonly [moments: readonly string[], views: readonly string[]])[],
  endpoint?: number,
): Promise<void> {
  await runPython(SCRIPT, ['materialize', path], { cwd: path, input: JSON.stringify(runs) });
  await writeFile(join(path, 'feature_store.yaml'), configuration('ours.db', endpoint));
  for (const [moments, views] of runs) {
    const command = moments.length === 1 ? 'materialize-incremental' : 'materialize';
    const args = ['-c', path, command, ...moments, ...views.flatMap((view) => ['-v', view])];
    const { exitCode, stderr } = await runSideboard(args);
    expect(exitCode, stderr).toBe(0);
  }
}

/** Decision 65: what Feast stores beside the features. */
const JOIN_KEYS = ['driver_id', 'town_name'];

/** What a store holds of a view. Rows are dated with the time of the run, which both take from a clock. */
function kept(path: string, view: string): readonly StoredRow[] {
  const cells = (dumpSqlite(path, `kept_${view}`) as StoredCell[]).filter(
    ({ feature_name: feature }) => !JOIN_KEYS.includes(feature),
  );
  return cells.map(({ k, feature_name: feature, v, event_ts: time, te }) => {
    const isNow = Math.abs(Date.now() / 1000 - time) < 600;
    return [k, feature, v, te, isNow];
  });
}

describe('on-demand views that are kept in the store, materialized by the Feast SDK and by us', () => {
  let transformation: ForeignServer | undefined;
  afterAll(async () => {
    await transformation?.stop();
  });

  test('leaves the same bytes where Feast’s transformation server runs the functions', async () => {
    const path = await makeRepository('pandas');
    await runPython(SCRIPT, ['make', path], { cwd: path });
    transformation = await startFeastTransformationServer(path);
    const views = ['shapes', 'both', 'pairs'];
    // The second run finds rows that the first one has not seen, and none of one view.
    await materializeBoth(
      path,
      [
        [WINDOW, views],
        [[LATER], ['shapes']],
      ],
      transformation.port,
    );
    for (const view of ['shapes', 'pairs']) {
      const byFeast = kept(join(path, 'feast.db'), view);
      expect(byFeast.length, view).toBeGreaterThan(9);
      expect(kept(join(path, 'ours.db'), view), view).toEqual(byFeast);
    }
    // Decision 66: every second driver's fare is beyond the TTL.
    const isOdd = ([key]: StoredRow): boolean => Number.parseInt(key.slice(-16, -14), 16) % 2 === 1;
    const byFeast = kept(join(path, 'feast.db'), 'both');
    const byUs = kept(join(path, 'ours.db'), 'both');
    expect(byFeast.length).toBeGreaterThan(30);
    expect(byFeast.filter(isOdd)).toEqual([]);
    expect(byUs.filter(isOdd).length).toBeGreaterThan(30);
    expect(byUs.filter((row) => !isOdd(row))).toEqual(byFeast);
  });

  test('leaves the same bytes with the same functions in TypeScript', async () => {
    const path = await makeRepository('typescript');
    await runPython(SCRIPT, ['sources', path], { cwd: path });
    await writeFile(join(path, 'features.ts'), FEATURES);
    const applied = await runSideboard(['-c', path, 'apply']);
    expect(applied.exitCode, applied.stderr).toBe(0);
    await materializeBoth(path, [[WINDOW, ['shapes']]]);
    const byFeast = kept(join(path, 'feast.db'), 'shapes');
    expect(byFeast.length).toBeGreaterThan(300);
    expect(kept(join(path, 'ours.db'), 'shapes')).toEqual(byFeast);
  });
});
