import { Redis } from 'ioredis';
import { references } from '../data/official-layout.ts';
import { storedFields, storedKey } from '../data/stored-hash.ts';
import { runProgram } from '../machine/processes.ts';
import { redisCpuUs } from '../machine/redis-cpu.ts';

/** What redis-benchmark makes of a read. */
export interface FloorFigures {
  readonly redisCpuUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

interface FloorOptions {
  readonly port: number;
  readonly rows: number;
  readonly features: number;
  readonly firstView: number;
  readonly core: number;
}

const KEY = 'floor';
const COMMANDS = 20_000;

/**
 * Has redis-benchmark read a copy of one hash: its arguments are text, and Feast's keys and fields are not, so the copy has
 * other names in the same places. A batch is one pipeline.
 */
export async function measureFloor(options: FloorOptions): Promise<FloorFigures> {
  const { port, rows, features, firstView, core } = options;
  const names = await copyHash(port, features, firstView);
  const commands = Math.ceil(COMMANDS / rows) * rows;
  const beforeUs = await redisCpuUs(port);
  const args = ['-c', String(core), 'redis-benchmark', '-h', '127.0.0.1', '-p', String(port)];
  args.push('-c', '1', '-P', String(rows), '-n', String(commands), '--csv', 'HMGET', KEY, ...names);
  const lines = (await runProgram('taskset', args, 120_000)).trim().split('\n');
  const usedUs = (await redisCpuUs(port)) - beforeUs;
  const admin = new Redis(port);
  await admin.del(KEY);
  admin.disconnect();
  return { ...parseFloor(lines), redisCpuUs: usedUs / (commands / rows) };
}

/** Reads the two lines that `--csv` prints. @throws Error when they are of another form */
export function parseFloor(lines: readonly string[]): Omit<FloorFigures, 'redisCpuUs'> {
  const [head = [], row = []] = lines.slice(-2).map((line) => line.split('","'));
  const us = (name: string): number => 1000 * Number.parseFloat(row[head.indexOf(name)] ?? '');
  const figures = { p50Us: us('p50_latency_ms'), p99Us: us('p99_latency_ms') };
  if (!(figures.p50Us > 0)) throw new Error(`redis-benchmark printed: ${lines.join('\n')}`);
  return figures;
}

/** Copies the hash of entity 1 under names of text; gives those of the wanted fields. */
async function copyHash(port: number, features: number, firstView: number): Promise<string[]> {
  const fields = storedFields(references(features, firstView));
  const admin = new Redis(port);
  try {
    const reply = await admin.callBuffer('HGETALL', storedKey(1));
    const flat = reply as Buffer[];
    const stored = flat.filter((_, i) => i % 2 === 0).map((field) => field.toString('hex'));
    const names = stored.map((_, i) => `f${String(i).padStart(3, '0')}`);
    await admin.del(KEY);
    await admin.hset(KEY, ...names.flatMap((name, i) => [name, flat[2 * i + 1]!]));
    return fields.map((field) => names[stored.indexOf(field.toString('hex'))] ?? 'absent');
  } finally {
    admin.disconnect();
  }
}
