import { startFeastServer } from '../../test/interop/feast-repo.ts';
import { startRedis, type RedisServer } from '../../test/support/redis-server.ts';
import { startSideboard } from '../../test/support/sideboard-process.ts';
import { redisCpuUs } from '../machine/redis-cpu.ts';
import { usageOf, type Cores } from '../machine/processes.ts';
import { spreadOf, type Spread } from '../report/spread.ts';
import {
  openGrpcPushes,
  openHttpPushes,
  openWriteStream,
  type WriteClient,
} from './write-clients.ts';
import { makeWriteRepo, verifyStored } from '../data/write-repo.ts';
import { WRITTEN_ENTITIES, entityOf } from '../data/write-rows.ts';

/** One way to write rows of ten features into Redis, kept busy. */
export interface WriteFigures {
  readonly way: string;
  readonly rowsPerRequest: number;
  /** Requests that are under way at once. */
  readonly concurrency: number;
  readonly rowsPerSecond: Spread;
  /** Of the server's process tree. */
  readonly cpuUsPerRow: Spread;
  readonly redisUsPerRow: Spread;
}

/** How to measure it. */
export interface WritesOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly cores: Cores;
  readonly say: (text: string) => void;
}

interface Way {
  readonly name: string;
  readonly server: 'feast' | 'sideboard';
  readonly open: (port: number) => Promise<WriteClient>;
  /** Rows per request and requests under way. */
  readonly loads: readonly (readonly [rowsPerRequest: number, concurrency: number])[];
}

const HTTP_LOADS = [
  [1, 1],
  [1, 32],
  [500, 4],
] as const;
const WAYS: readonly Way[] = [
  { name: 'feast-py-http push', server: 'feast', open: openHttpPushes, loads: HTTP_LOADS },
  { name: 'sideboard-json push', server: 'sideboard', open: openHttpPushes, loads: HTTP_LOADS },
  {
    name: 'sideboard push',
    server: 'sideboard',
    open: openGrpcPushes,
    loads: [
      [1, 1],
      [1, 32],
    ],
  },
  { name: 'sideboard stream', server: 'sideboard', open: openWriteStream, loads: [[500, 16]] },
];
const WARM_UP_SECONDS = 2;
/** Rows whose values are compared after each measurement. */
const VERIFIED_ROWS = 20;

interface Sample {
  readonly way: string;
  readonly rowsPerRequest: number;
  readonly concurrency: number;
  readonly rowsPerSecond: number;
  readonly cpuUsPerRow: number;
  readonly redisUsPerRow: number;
}

/** Pushes rows to Feast's server and to ours, and streams them; every row is a newer event. */
export async function measureWrites(options: WritesOptions): Promise<WriteFigures[]> {
  const { rounds, cores } = options;
  const redis = await startRedis();
  const store = `  type: redis\n  connection_string: 127.0.0.1:${redis.port}`;
  const repo = await makeWriteRepo(store, 1);
  const samples: Sample[] = [];
  const rows = createRowNumbers();
  try {
    for (let round = 0; round < rounds; round += 1) {
      const feast = await startFeastServer(repo, cores.server);
      const sideboard = await startSideboard({ repoPath: repo.path, core: cores.server });
      const servers = {
        feast: { pid: feast.pid, port: Number(new URL(feast.url).port) },
        sideboard: { pid: sideboard.pid, port: sideboard.port },
      };
      try {
        for (const way of round % 2 === 0 ? WAYS : WAYS.toReversed()) {
          const { pid, port } = servers[way.server];
          for (const [rowsPerRequest, concurrency] of way.loads) {
            const client = await way.open(port);
            const load = { client, rowsPerRequest, concurrency, rows };
            await keepBusy(load, WARM_UP_SECONDS);
            const measured = await measure(load, { pid, redis, seconds: options.seconds });
            client.close();
            await verifyStored(`http://127.0.0.1:${sideboard.port}`, rows.newest());
            samples.push({ way: way.name, rowsPerRequest, concurrency, ...measured });
            options.say(
              `${way.name} ${rowsPerRequest} x ${concurrency}: ${measured.rowsPerSecond.toFixed(0)} rows/s, CPU per row ${measured.cpuUsPerRow.toFixed(1)} us, Redis ${measured.redisUsPerRow.toFixed(1)} us`,
            );
          }
        }
      } finally {
        await sideboard.stop();
        await feast.stop();
      }
    }
  } finally {
    await redis.stop();
    await repo.remove();
  }
  return summarize(samples);
}

/** Numbers of the rows of a run. */
interface RowNumbers {
  /** The first of the next `count` rows. */
  take(count: number): number;
  /** The rows of some entities that the store has to hold now. */
  newest(): { view: 'pushed'; entities: { id: number; n: number }[] };
}

function createRowNumbers(): RowNumbers {
  let next = 0;
  return {
    take(count) {
      next += count;
      return next - count;
    },
    newest() {
      const count = Math.min(VERIFIED_ROWS, next, WRITTEN_ENTITIES);
      const numbers = Array.from({ length: count }, (_, i) => next - 1 - i);
      return { view: 'pushed', entities: numbers.map((n) => ({ id: entityOf(n), n })) };
    },
  };
}

interface Load {
  readonly client: WriteClient;
  readonly rowsPerRequest: number;
  readonly concurrency: number;
  readonly rows: RowNumbers;
}

/** Closed loop; gives the rows that were written. */
async function keepBusy(load: Load, seconds: number): Promise<number> {
  const { client, rowsPerRequest, concurrency, rows } = load;
  const end = performance.now() + 1000 * seconds;
  let written = 0;
  const send = async (): Promise<void> => {
    while (performance.now() < end) {
      await client.send(rows.take(rowsPerRequest), rowsPerRequest);
      written += rowsPerRequest;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, send));
  return written;
}

async function measure(
  load: Load,
  { pid, redis, seconds }: { pid: number; redis: RedisServer; seconds: number },
): Promise<Pick<Sample, 'rowsPerSecond' | 'cpuUsPerRow' | 'redisUsPerRow'>> {
  const before = { cpuUs: usageOf(pid).cpuUs, redisUs: await redisCpuUs(redis.port) };
  const startedAtMs = performance.now();
  const written = await keepBusy(load, seconds);
  const tookMs = performance.now() - startedAtMs;
  return {
    rowsPerSecond: (1000 * written) / tookMs,
    cpuUsPerRow: (usageOf(pid).cpuUs - before.cpuUs) / written,
    redisUsPerRow: ((await redisCpuUs(redis.port)) - before.redisUs) / written,
  };
}

function summarize(samples: readonly Sample[]): WriteFigures[] {
  const groups = Map.groupBy(
    samples,
    ({ way, rowsPerRequest, concurrency }) => `${way} ${rowsPerRequest} ${concurrency}`,
  );
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    return {
      way: first.way,
      rowsPerRequest: first.rowsPerRequest,
      concurrency: first.concurrency,
      rowsPerSecond: spreadOf(group.map(({ rowsPerSecond }) => rowsPerSecond)),
      cpuUsPerRow: spreadOf(group.map(({ cpuUsPerRow }) => cpuUsPerRow)),
      redisUsPerRow: spreadOf(group.map(({ redisUsPerRow }) => redisUsPerRow)),
    };
  });
}
