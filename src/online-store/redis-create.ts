import { Buffer } from 'node:buffer';
import type { RowSlab } from '../feast-encoding/row-slab.ts';
import { MAX_DUMPED_WORD_BYTES } from '../redis/hash-dump.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import { redisSlot } from '../redis/redis-slot.ts';
import { encodeCreate } from './encode-create.ts';
import type { ReadOptions } from './online-store.ts';
import { CALL_TIMEOUT_MS } from './redis-call.ts';
import { translated } from './redis-errors.ts';
import type { WriteTarget } from './redis-row-arguments.ts';

/** Fewer rows at once are not worth a try. */
const MIN_ROWS = 100;
/** Rows of a batch that are tried where the last ones were there already: their entities may be new again. */
const TRIAL_ROWS = 10;
/** Fields of a hash that Redis keeps as a listpack by its defaults. */
const MAX_FIELDS = 128;
/** What a server says where the hash is there already. */
const IS_THERE = /^BUSYKEY/;
const REFUSES =
  /^NOPERM|^(?:ERR .*)?(?:unknown command|not (?:allowed|support)|unsupported|payload version|bad data format)/i;
const SHARE_WORTH_IT = 0.5;
/** Memory that is kept for the commands of the next rows: of so many nodes and batches, each of so many bytes at most. */
const MAX_IDLE = 8;
const MAX_IDLE_BYTES = 1024 * 1024;

/** What is known of a Redis: whether it lets us create hashes, and how many of a view's entities were new last time. */
interface Experience {
  isRefused: boolean;
  /** By project and view. */
  readonly newShares: Map<string, number>;
  /** Memory of commands that have been carried out, for the next ones. */
  readonly idle: Buffer[];
}

const experiences = new WeakMap<RedisClient, Experience>();

/**
 * Creates the hashes of entities that Redis knows nothing of: a row whose entity is new needs no look at what is stored.
 * `RESTORE` does that in one step and fails where there is anything, and costs Redis less than half of `HSET`.
 *
 * @param rows of the slab, each with all values.
 * @returns the rows that are not written by this: they have to be compared with what is stored.
 * @throws SideboardError as `callRedis`
 */
export async function createNewRows(
  client: RedisClient,
  target: WriteTarget,
  slab: RowSlab,
  rows: readonly number[],
  limits: ReadOptions,
): Promise<readonly number[]> {
  const experience = experienceOf(client);
  if (experience.isRefused || rows.length < MIN_ROWS || !isSmall(target)) {
    return rows;
  }
  const view = viewKey(target);
  const isWorthIt = (experience.newShares.get(view) ?? 1) >= SHARE_WORTH_IT;
  const tried = rows.slice(0, isWorthIt ? rows.length : TRIAL_ROWS);
  const left = rows.slice(tried.length);
  const { small, others } = bySize(slab, tried);
  left.push(...others);
  if (small.length === 0) {
    return rows;
  }
  const { notCreated, thereCount } = await createAll(client, target, slab, small, limits);
  experience.newShares.set(view, 1 - thereCount / small.length);
  left.push(...notCreated);
  return left.sort((a, b) => a - b);
}

/** Whether a server says that it never takes it: it has no such command, not for us, or another format. The rest passes. */
export function isRefusedForGood(text: string): boolean {
  return REFUSES.test(text);
}

function experienceOf(client: RedisClient): Experience {
  const known = experiences.get(client) ?? {
    isRefused: false,
    newShares: new Map<string, number>(),
    idle: [],
  };
  experiences.set(client, known);
  return known;
}

function viewKey({ project, timestampField }: WriteTarget): string {
  return `${Buffer.from(project).toString('latin1')} ${Buffer.from(timestampField).toString('latin1')}`;
}

/** Whether hashes of this view alone are listpacks, with no field in them twice. */
function isSmall({ timestampField, featureFields, ttl }: WriteTarget): boolean {
  const names = [timestampField, ...featureFields].map((field) =>
    Buffer.from(field).toString('latin1'),
  );
  return (
    names.length <= MAX_FIELDS &&
    new Set(names).size === names.length &&
    timestampField.length <= MAX_DUMPED_WORD_BYTES &&
    (ttl === '' || Number(ttl) > 0)
  );
}

/** Rows that can be created, and the others; what comes after one of those for the same entity must not overtake it. */
function bySize(
  slab: RowSlab,
  rows: readonly number[],
): { readonly small: readonly number[]; readonly others: readonly number[] } {
  const small: number[] = [];
  const others: number[] = [];
  const passedOver = new Set<string>();
  for (const row of rows) {
    if (!isShort(slab, row)) {
      passedOver.add(slab.entityKey(row).toString('latin1'));
      others.push(row);
    } else if (passedOver.size > 0 && passedOver.has(slab.entityKey(row).toString('latin1'))) {
      others.push(row);
    } else {
      small.push(row);
    }
  }
  return { small, others };
}

function isShort(slab: RowSlab, row: number): boolean {
  const first = row * (slab.width + 1) + 1;
  for (let i = first; i < first + slab.width; i++) {
    if (slab.ends[i]! - slab.starts[i]! > MAX_DUMPED_WORD_BYTES) {
      return false;
    }
  }
  return true;
}

/** @returns the rows that were not created, and of how many of them the entity was there. */
async function createAll(
  client: RedisClient,
  target: WriteTarget,
  slab: RowSlab,
  rows: readonly number[],
  limits: ReadOptions,
): Promise<{ readonly notCreated: readonly number[]; readonly thereCount: number }> {
  const { idle } = experienceOf(client);
  let thereCount = 0;
  const trains = [...bySlotOfNode(client, target, slab, rows)].map(async ([slot, ofNode]) => {
    const bytes = encodeCreate(target, slab, ofNode, idle.pop());
    const train = client.callTrain(slot, bytes, ofNode.length, limits, CALL_TIMEOUT_MS);
    const { isDone, refusals } = await translated(train);
    if (idle.length < MAX_IDLE && bytes.buffer.byteLength <= MAX_IDLE_BYTES) {
      idle.push(Buffer.from(bytes.buffer));
    }
    for (const text of refusals.values()) {
      if (IS_THERE.test(text)) {
        thereCount++;
      } else if (isRefusedForGood(text)) {
        experienceOf(client).isRefused = true;
      }
    }
    return ofNode.filter((_row, i) => !isDone[i]!);
  });
  const notCreated = (await Promise.all(trains)).flat();
  return { notCreated, thereCount };
}

/** Rows by the node that they go to, which is named by any of its slots. */
function bySlotOfNode(
  client: RedisClient,
  { project }: WriteTarget,
  slab: RowSlab,
  rows: readonly number[],
): Map<number, number[]> {
  if (!client.isCluster) {
    return new Map([[0, [...rows]]]);
  }
  const groups = new Map<string, { readonly slot: number; readonly ofNode: number[] }>();
  for (const row of rows) {
    const slot = redisSlot(Buffer.concat([slab.entityKey(row), project]));
    const address = client.addressOfSlot(slot);
    let group = groups.get(address);
    if (group === undefined) {
      group = { slot, ofNode: [] };
      groups.set(address, group);
    }
    group.ofNode.push(row);
  }
  return new Map([...groups.values()].map(({ slot, ofNode }) => [slot, ofNode]));
}
