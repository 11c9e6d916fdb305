import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { ViewDefinition } from '../../src/registry/registry-model.ts';
import { fieldsOf, temporaryFolder, writeParquet } from '../ingestion/source-fixture.ts';
import { joinableView, readRows, registryOf, retrieve } from './training-fixture.ts';

/** How many random worlds are compared; more with TRAINING_RUNS. */
const RUNS = Number(process.env['TRAINING_RUNS'] ?? 12);
const DAY = 86_400;

let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
});

/** Seconds since 2024, small numbers so that ties are frequent. */
interface SourceRow {
  readonly a: number | null;
  readonly b: string | null;
  readonly ts: number | null;
  readonly created: number | null;
  readonly f: number | null;
}

interface EntityRow {
  readonly a: number | null;
  readonly b: string | null;
  readonly at: number;
}

interface World {
  readonly rows: readonly SourceRow[];
  readonly entities: readonly EntityRow[];
  readonly keys: readonly ('a' | 'b')[];
  readonly ttlSeconds: number;
  readonly hasCreated: boolean;
  readonly filter: boolean;
}

/** mulberry32: the same numbers for the same seed. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below;
  };
}

function randomWorld(seed: number): World {
  const below = randomNumbers(seed);
  const pick = (count: number): number => Math.floor(below(count));
  const maybe = <T>(value: T): T | null => (pick(12) === 0 ? null : value);
  const times = 3 + pick(30);
  const people = 1 + pick(6);
  const key = (): Pick<SourceRow, 'a' | 'b'> => ({
    a: maybe(pick(people)),
    b: maybe(`k${pick(2)}`),
  });
  return {
    rows: Array.from({ length: pick(200) }, (_, f) => ({
      ...key(),
      ts: maybe(pick(times) * DAY),
      created: maybe(pick(times) * DAY),
      f: maybe(f),
    })),
    entities: Array.from({ length: 1 + pick(200) }, () => ({ ...key(), at: pick(times) * DAY })),
    keys: [['a'], ['b'], ['a', 'b'], []][pick(4)] as World['keys'],
    ttlSeconds: [0, 1, 2, 5][pick(4)]! * DAY,
    hasCreated: pick(3) > 0,
    filter: pick(2) === 0,
  };
}

/** The definition, row by row. */
function expected(world: World, entity: EntityRow): number | null {
  const { keys, ttlSeconds, hasCreated, filter } = world;
  if (keys.some((key) => entity[key] === null)) return null;
  let best: SourceRow | undefined;
  for (const row of world.rows) {
    if (row.ts === null || row.ts > entity.at || keys.some((key) => row[key] !== entity[key]))
      continue;
    if (hasCreated && filter && (row.created === null || row.created > entity.at)) continue;
    const isBetter =
      best === undefined ||
      row.ts > best.ts! ||
      (row.ts === best.ts && hasCreated && (row.created ?? -1) > (best.created ?? -1));
    if (isBetter) best = row;
  }
  const isFresh = best !== undefined && (ttlSeconds === 0 || best.ts! >= entity.at - ttlSeconds);
  return isFresh ? best!.f : null;
}

function moment(seconds: number | null): string {
  return seconds === null ? 'NULL' : `TIMESTAMP '2024-01-01' + INTERVAL (${seconds}) SECOND`;
}

function text(value: string | null): string {
  return value === null ? 'NULL' : `'${value}'`;
}

async function write(world: World): Promise<{ entityRows: string; view: ViewDefinition }> {
  const rows = world.rows.map(
    ({ a, b, ts, created, f }) => `(${a}, ${text(b)}, ${moment(ts)}, ${moment(created)}, ${f})`,
  );
  const source = (values: string): string =>
    `SELECT a::BIGINT AS a, b::VARCHAR AS b, ts::TIMESTAMP AS ts, made::TIMESTAMP AS made, f::INTEGER AS f FROM (VALUES ${values}) t(a, b, ts, made, f)`;
  await writeParquet(
    join(folder, 'v.parquet'),
    rows.length === 0 ? `${source('(0, NULL, NULL, NULL, 0)')} LIMIT 0` : source(rows.join(', ')),
  );
  const entities = world.entities.map(({ a, b, at }) => `(${a}, ${text(b)}, ${moment(at)})`);
  const entityRows = join(folder, 'entities.parquet');
  await writeParquet(
    entityRows,
    `SELECT a::BIGINT AS a, b::VARCHAR AS b, t.ts AS event_timestamp FROM (VALUES ${entities.join(', ')}) t(a, b, ts)`,
  );
  const types = { a: 'INT64', b: 'STRING' } as const;
  const joinKeys = fieldsOf(Object.fromEntries(world.keys.map((key) => [key, types[key]])));
  const view = joinableView(
    { joinKeys, ttlSeconds: world.ttlSeconds, features: fieldsOf({ f: 'INT32' }) },
    world.hasCreated ? { createdTimestampField: 'made' } : {},
  );
  return { entityRows, view };
}

test(
  `joins ${RUNS} random worlds as the definition says`,
  async () => {
    let known = 0;
    for (let seed = 1; seed <= RUNS; seed++) {
      const world = randomWorld(seed);
      const { entityRows, view } = await write(world);
      const output = join(folder, 'out.parquet');
      await retrieve({
        registry: registryOf([view]),
        repoPath: folder,
        entityRows,
        output,
        overwrite: true,
        filterByCreatedTimestamp: world.filter,
      });
      const found = (await readRows(`SELECT f FROM '${output}'`)).map(({ f }) => f);
      const wanted = world.entities.map((entity) => expected(world, entity));
      expect({ seed, found }).toEqual({ seed, found: wanted });
      known += wanted.filter((f) => f !== null).length;
    }
    expect(known).toBeGreaterThan(RUNS * 5);
  },
  30_000 + RUNS * 200,
);
