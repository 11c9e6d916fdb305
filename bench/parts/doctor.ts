import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { z } from 'zod';
import { startRedis } from '../../test/support/redis-server.ts';
import { OFFICIAL_VIEWS } from '../data/official-layout.ts';
import { fillStore, makeRepo } from '../data/seed.ts';
import { runProgram, type Cores } from '../machine/processes.ts';
import { readFigures } from './redis-reads.ts';

/** What the doctor promised for one read, and what came of following it. */
export interface DoctorRead {
  readonly read: string;
  readonly features: number;
  /** Microseconds of Redis per entity, the better of both commands. */
  readonly beforeUs: number;
  readonly promisedUs: number;
  readonly afterUs: number;
}

/** The doctor's advice on the published layout, followed. */
export interface DoctorFigures {
  /** The command that it gave. */
  readonly advice: string;
  readonly bytesPerHash: {
    readonly before: number;
    readonly promised: number;
    readonly after: number;
  };
  readonly reads: readonly DoctorRead[];
  /** Redis's CPU per read of 100x50 by our server's whole read path. */
  readonly batchRedisUs: { readonly before: number; readonly after: number };
}

export interface DoctorOptions {
  readonly entities: number;
  readonly seconds: number;
  readonly cores: Cores;
  readonly say: (text: string) => void;
}

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const ENTITIES = 2000;

const times = z.object({ hmgetUs: z.number(), hgetallUs: z.number() });
const reportSchema = z.object({
  findings: z.array(z.object({ check: z.string(), remedy: z.string().optional() })),
  // One entity, so one.
  packing: z.tuple([
    z.object({
      bytesPerHash: z.object({ now: z.number(), other: z.number() }),
      reads: z.array(
        z.object({
          name: z.string(),
          featureCount: z.number(),
          now: times,
          other: times.optional(),
        }),
      ),
    }),
  ]),
});

/** Asks the doctor about a Redis of its own, does what it says, writes the rows again and asks once more. */
export async function measureDoctor(options: DoctorOptions): Promise<DoctorFigures> {
  const { seconds, cores, say } = options;
  const entities = Math.min(ENTITIES, options.entities);
  const redis = await startRedis();
  const repo = await makeRepo(redis.port, OFFICIAL_VIEWS);
  const batchRedisUs = async (): Promise<number> => {
    const size = { rows: 100, features: 50, firstView: 20, looksAtHeap: false };
    const task = { ...size, repoPath: repo.path, port: redis.port, entities, seconds };
    const client = 'sideboard, to the response' as const;
    return (await readFigures({ ...task, client }, cores.server)).redisCpuUs;
  };
  try {
    await fillStore(repo, entities);
    const before = await examine(repo.path);
    const remedies = before.findings.map(({ remedy }) => remedy ?? '');
    const advice = remedies.map((each) => /CONFIG SET (\S+) (\d+)/.exec(each)).find(Boolean);
    if (!advice) throw new Error('the doctor has no advice for the published layout');
    const batchBefore = await batchRedisUs();
    const [command, setting = '', limit = ''] = advice;
    const admin = new Redis(redis.port);
    await admin.config('SET', setting, limit);
    admin.disconnect();
    await fillStore(repo, entities); // Hashes change their encoding when they are written.
    const batchAfter = await batchRedisUs();
    const after = await examine(repo.path);
    const [then, now] = [before.packing[0], after.packing[0]];
    const nowOf = new Map(now.reads.map((read) => [read.name, read.now]));
    const reads = then.reads.map(({ name, featureCount, now: was, other }) => ({
      read: name,
      features: featureCount,
      beforeUs: better(was),
      promisedUs: other === undefined ? Number.NaN : better(other),
      afterUs: better(nowOf.get(name)),
    }));
    for (const { read, beforeUs, promisedUs, afterUs } of reads) {
      say(
        `${command}: ${read} from ${beforeUs.toFixed(1)} us to ${afterUs.toFixed(1)}, promised ${promisedUs.toFixed(1)}`,
      );
    }
    const { now: bytesBefore, other: promised } = then.bytesPerHash;
    return {
      advice: command,
      bytesPerHash: { before: bytesBefore, promised, after: now.bytesPerHash.now },
      reads,
      batchRedisUs: { before: batchBefore, after: batchAfter },
    };
  } finally {
    await redis.stop();
    await rm(repo.path, { recursive: true });
  }
}

function better(read: z.infer<typeof times> | undefined): number {
  if (read === undefined)
    throw new Error('the doctor timed other reads after its advice was followed');
  return Math.min(read.hmgetUs, read.hgetallUs);
}

async function examine(repoPath: string): Promise<z.infer<typeof reportSchema>> {
  const flags = ['--disable-warning=ExperimentalWarning', MAIN, '-c', repoPath];
  const args = [...flags, 'doctor', '--json', '--fail-on', 'never'];
  return reportSchema.parse(JSON.parse(await runProgram(process.execPath, args, 120_000)));
}
