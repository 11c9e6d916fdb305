import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { comparable, expectedOf, idleSteps, unexplained } from './drop-in-comparison.ts';
import { DROP_IN_DEPARTURES, UNREAD_KEYS, type DropInDeparture } from './drop-in-departures.ts';
import {
  fillWorlds,
  leftBy,
  makeWorld,
  play,
  runFeastCommands,
  runOurCommands,
  type Played,
  type StoreKind,
  type World,
} from './drop-in-world.ts';

const KINDS: readonly StoreKind[] = ['redis', 'sqlite'];

const WINDOW = ['2025-01-01T00:00:00', '2025-01-01T01:00:00'];
/** Commands that both tools know, views that nobody touched before. */
const COMMANDS: readonly (readonly string[])[] = [
  ['materialize', ...WINDOW, '-v', 'batch4'],
  ['materialize-incremental', '2025-01-01T00:30:00+00:00', '-v', 'batch4'],
  ['materialize-incremental', '2025-01-09T00:00:00', '-v', 'batch4'],
  [
    'materialize',
    '2025-01-01T05:30:00.000101+05:30',
    '2025-01-01T06:30:00.000155+05:30',
    '--views',
    'batch7',
    '--views',
    'world',
  ],
  ['materialize', '--disable-event-timestamp', '-v', 'batch6'],
  ['materialize', ...WINDOW.toReversed(), '-v', 'batch6'],
  ['materialize', ...WINDOW, '-v', 'nobody'],
  ['materialize', 'soon', 'later', '-v', 'batch6'],
  ['materialize', '-v', 'batch6'],
  ['materialize-incremental', '-v', 'batch6'],
];

interface Pair {
  readonly worlds: readonly [feast: World, ours: World];
  readonly byFeast: Played;
  readonly byOurs: Played;
}

/**
 * One script of the real SDK, of HTTP and of gRPC calls is played against Feast's servers and against ours, on Redis and on
 * SQLite. Every answer, every exception class, every stored byte and every recorded interval has to be equal, or to be what
 * a numbered departure makes of Feast's.
 */
describe('in the place of Feast’s servers', () => {
  let folder: string;
  const pairs = new Map<StoreKind, Pair>();
  const worlds: World[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sideboard-drop-in-'));
    for (const kind of KINDS) {
      worlds.push(await makeWorld(folder, kind, 'feast'), await makeWorld(folder, kind, 'ours'));
    }
    await fillWorlds(worlds);
    for (const kind of KINDS) {
      const [feast, ours] = worlds.filter((world) => world.kind === kind) as [World, World];
      const [byFeast, byOurs] = await Promise.all([play(feast), play(ours)]);
      pairs.set(kind, { worlds: [feast, ours], byFeast, byOurs });
    }
  });

  afterAll(async () => {
    for (const { redis } of worlds) await redis?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  describe.each(KINDS)('on %s', (kind) => {
    test('answers and raises what Feast does, or what a departure says', () => {
      const { byFeast, byOurs } = pairs.get(kind)!;
      const expected = expectedOf(departuresOn(kind), byFeast.steps);
      expect(byOurs.steps.map(([name]) => name)).toEqual(byFeast.steps.map(([name]) => name));
      expect(byFeast.steps.length).toBeGreaterThan(300);
      for (const [name, outcome] of byOurs.steps) {
        expect.soft(comparable(outcome), name).toEqual(expected(name));
      }
      // What is refused is explained.
      expect(unexplained(byOurs.steps)).toEqual([]);
    });

    test('departs nowhere without need', () => {
      expect(idleSteps(departuresOn(kind), pairs.get(kind)!.byFeast.steps)).toEqual([]);
    });

    test('stores the same bytes and records the same intervals', () => {
      const { byFeast, byOurs } = pairs.get(kind)!;
      const { [UNREAD_KEYS[kind]]: unread, ...stored } = byFeast.stored;
      expect(unread).toBeDefined();
      expect(Object.keys(stored).length).toBeGreaterThan(3000);
      expect(byOurs.stored).toEqual(stored);
      expect(byOurs.recorded).toEqual(byFeast.recorded);
    });

    test('materializes from the command line as Feast does', async () => {
      const [feast, ours] = pairs.get(kind)!.worlds;
      const [feastCodes, ourCodes] = await Promise.all([
        runFeastCommands(feast, COMMANDS),
        runOurCommands(ours, COMMANDS),
      ]);
      const ended = (codes: readonly (number | null)[]): unknown =>
        COMMANDS.map((command, i) => [command.join(' '), codes[i] === 0 ? 'done' : 'failed']);
      expect(ended(ourCodes)).toEqual(ended(feastCodes));
      const byFeast = await leftBy(feast);
      const byOurs = await leftBy(ours);
      const { [UNREAD_KEYS[kind]]: unread, ...stored } = byFeast.stored;
      expect(unread).toBeDefined();
      // Decision 61: where END lies before the end of the last run, Feast records an interval that runs backwards.
      const forwards = Object.entries(byFeast.recorded).map(([view, { state, intervals }]) => [
        view,
        { state, intervals: intervals.filter(([start, end]) => end === 'now' || start <= end) },
      ]);
      expect(forwards).not.toEqual(Object.entries(byFeast.recorded));
      expect(byOurs.recorded).toEqual(Object.fromEntries(forwards));
      expect(byOurs.stored).toEqual(stored);
    });
  });
});

function departuresOn(kind: StoreKind): readonly DropInDeparture[] {
  return DROP_IN_DEPARTURES.filter(({ store = kind }) => store === kind);
}
