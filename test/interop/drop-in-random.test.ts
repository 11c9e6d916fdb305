import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runPython } from '../support/python.ts';
import { comparable, unexplained } from './drop-in-comparison.ts';
import { comparableStored, compareRandom } from './drop-in-random-departures.ts';
import {
  configureClient,
  fillWorlds,
  leftBy,
  makeWorld,
  startServers,
  type Played,
  type Step,
  type World,
} from './drop-in-world.ts';

const SCRIPT = join(import.meta.dirname, 'python', 'drop_in_random.py');
const SEED = Number(process.env['DROP_IN_SEED'] ?? 1);
/** Writes, and as many reads over every protocol. */
const COUNT = Number(process.env['DROP_IN_STEPS'] ?? 60);

/**
 * Random repositories, writes and reads, good and bad, against Feast's servers and against ours. What is allowed to differ is
 * what differs in drop-in.test.ts, by the same departures.
 */
describe('in the place of Feast’s servers, by chance', () => {
  const worlds: World[] = [];
  const folders: string[] = [];

  afterAll(async () => {
    for (const { redis } of worlds) await redis?.stop();
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  });

  test.each([
    ['redis', SEED],
    ['sqlite', SEED + 1],
  ] as const)('on %s, seed %i', { timeout: 300_000 + COUNT * 4_000 }, async (kind, seed) => {
    const folder = await mkdtemp(join(tmpdir(), 'sideboard-drop-in-random-'));
    folders.push(folder);
    // As Feast does: what is older replaces what is newer.
    const guard = { auth: '', env: { SIDEBOARD_SQLITE_SKIP_STALE: 'false' } };
    const feast = await makeWorld(folder, kind, 'feast', guard);
    const ours = await makeWorld(folder, kind, 'ours', guard);
    worlds.push(feast, ours);
    await fillWorlds([feast, ours], SCRIPT, [String(seed)]);
    const [byFeast, byOurs] = await Promise.all([play(feast, seed), play(ours, seed)]);

    expect(byOurs.steps.map(([name]) => name)).toEqual(byFeast.steps.map(([name]) => name));
    expect(byFeast.steps.length).toBeGreaterThan(3 * COUNT);
    const compared = compareRandom(kind, byFeast.steps, byOurs.steps);
    // Few are about what one side took and the other refused.
    expect(compared.size).toBeGreaterThan(2.5 * COUNT);
    for (const [name, { expected, actual }] of compared) {
      expect.soft(comparable(actual), name).toEqual(comparable(expected));
    }
    const storedBy = ({ stored }: Played): unknown =>
      comparableStored(stored, kind, byFeast.steps, byOurs.steps);
    expect(storedBy(byOurs)).toEqual(storedBy(byFeast));
    expect(unexplained(byOurs.steps)).toEqual([]);
  });
});

async function play(world: World, seed: number): Promise<Played> {
  const servers = await startServers(world);
  try {
    await configureClient(world, servers.url, world.client);
    const args = ['run', String(seed), String(COUNT), world.client, servers.url, servers.address];
    const output = await runPython(SCRIPT, args, { cwd: world.client, timeoutMs: 3_600_000 });
    return { steps: JSON.parse(output) as Step[], ...(await leftBy(world)) };
  } finally {
    await servers.stop();
  }
}
