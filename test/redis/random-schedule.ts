import { Buffer } from 'node:buffer';
import { HashReadError } from '../../src/redis/hash-read-batch.ts';
import type { RedisClient, RedisClientOptions } from '../../src/redis/redis-client.ts';
import type { NodeRead } from '../../src/redis/node-reads.ts';
import { RedisError } from '../../src/redis/redis-error.ts';
import { redisSlot } from '../../src/redis/redis-slot.ts';
import { createRandom, type Random } from '../support/random.ts';
import { FIELDS, openClient, textOf } from './simulated-client.ts';
import { KEYS, SENTINEL, SimulatedCluster, valueOf, type Deployment } from './simulated-cluster.ts';
import { SimulatedWorld } from './simulated-world.ts';

/** Time in which things break, and then in which everything must be well again. */
const TROUBLED_MS = 2_500;
/** Ten times the silence of reads is that of writes, and one reply may take three times that. */
const RECOVERY_MS = 3_500;
const SILENCE_TIMEOUT_MS = 100;
const COMMAND_TIMEOUT_MS = 600;
/** Small, so that schedules reach it. */
const MAX_PENDING_COMMANDS = 64;
/** Attempts to connect to one node in any second: both connections, doubling delays. */
const MAX_ATTEMPTS_PER_SECOND = 24;

/** What a schedule did, for the summary. */
export interface ScheduleOutcome {
  readonly reads: number;
  readonly failedReads: number;
  readonly lostRows: number;
  /** Reads that were refused because too many were under way. */
  readonly overloaded: number;
  readonly writes: number;
  readonly failedWrites: number;
  readonly faults: readonly string[];
}

/**
 * Plays one schedule: a client reads and writes while a simulated cluster breaks in ways and at times that the seed
 * decides. Everything that must hold whatever happens is checked.
 *
 * @throws Error that says what did not hold
 */
export async function playSchedule(seed: number): Promise<ScheduleOutcome> {
  const random = createRandom(seed);
  const world = new SimulatedWorld(seed);
  const deployment = random.pick([
    'redis_cluster',
    'redis_cluster',
    'redis_sentinel',
    'redis',
  ] as const);
  const cluster = new SimulatedCluster(world, seed, deployment);
  if (random.next() < 0.3) {
    world.pieceBytes = 1 + random.below(120);
    if (random.next() < 0.7) world.pieceGapMs = (random.next() * world.pieceBytes) / 100;
  }
  if (random.next() < 0.3) cluster.pushShare = 0.2;
  const options = clientOptions(random, cluster, deployment);
  const client = await openClient(world, options);
  const play = new Play(world, client, cluster, random);
  play.scheduleCalls();
  const isMild = random.next() < 0.3;
  const faults = scheduleFaults(
    { world, cluster, random },
    isMild ? MILD : faultsOf(deployment),
    play.callTimesMs,
  );
  const { pieceBytes, pieceGapMs } = world;
  const pieces = `pieces of ${pieceBytes} bytes every ${pieceGapMs.toFixed(2)} ms`;
  play.setting = `${deployment}, ${options.read?.readFrom}, hedges ${options.hedgeShare}, ${pieces}; ${faults.join(', ')}`;
  play.isMild = isMild && world.pieceGapMs === 0;
  play.isGarbled = faults.some((fault) => /garbage|too many/.test(fault));
  if (random.next() < 0.2) {
    // Closed in the middle of it, whatever is under way.
    await world.pass(random.below(TROUBLED_MS * 5) / 5);
    play.close();
    await world.pass(TROUBLED_MS);
  } else {
    await world.pass(TROUBLED_MS);
    cluster.heal();
    await world.pass(RECOVERY_MS);
    await play.expectWell();
    await play.expectQuiet();
    play.close();
  }
  await play.expectEnd();
  return { ...play.counts, faults };
}

function clientOptions(
  random: Random,
  cluster: SimulatedCluster,
  deployment: Deployment,
): Partial<RedisClientOptions> {
  const readFrom = random.pick(['primary', 'prefer-replica', 'nearest', 'zone'] as const);
  return {
    kind: deployment,
    nodes:
      deployment === 'redis_sentinel' ? [SENTINEL] : cluster.seeds().slice(0, 1 + random.below(3)),
    read: { readFrom, zone: readFrom === 'zone' ? 'a' : undefined },
    zones: new Map([
      ['n3', 'a'],
      ['n1', 'a'],
      ['n2', 'b'],
    ]),
    hedgeShare: random.pick([0, 0.05, 1]),
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
    silenceTimeoutMs: SILENCE_TIMEOUT_MS,
    maxPendingCommands: MAX_PENDING_COMMANDS,
    topologyRefreshMs: random.pick([300, 2_000]),
  };
}

/** A client at work, and what must hold of it. */
class Play {
  /** Whether replies may be other than what was asked for. */
  isGarbled = false;
  /** Whether nothing happens that a read with some time to spare may fail of. */
  isMild = false;
  /** What breaks and how the client is set up, for messages. */
  setting = '';
  readonly counts = {
    reads: 0,
    failedReads: 0,
    lostRows: 0,
    overloaded: 0,
    writes: 0,
    failedWrites: 0,
  };
  private readonly world: SimulatedWorld;
  private readonly client: RedisClient;
  private readonly cluster: SimulatedCluster;
  private readonly random: Random;
  private readonly underWay = new Set<string>();
  private isClosed = false;
  /** When calls are made. */
  readonly callTimesMs: number[] = [];
  private readonly problems: string[] = [];
  /** Answers are looked at again when much has arrived since: nothing may have overwritten them. */
  private readonly later: (() => void)[] = [];

  constructor(
    world: SimulatedWorld,
    client: RedisClient,
    cluster: SimulatedCluster,
    random: Random,
  ) {
    this.world = world;
    this.client = client;
    this.cluster = cluster;
    this.random = random;
  }

  scheduleCalls(): void {
    const { world, random } = this;
    const startMs = world.now();
    const calls = 20 + random.below(20);
    for (let i = 0; i < calls; i++) {
      const atMs = startMs + random.below(TROUBLED_MS);
      this.callTimesMs.push(atMs);
      const isWrite = random.next() < 0.15;
      // Several in one turn now and then: they share what they ask for alike.
      const together = random.next() < 0.2 ? 2 + random.below(3) : 1;
      const keys = random.next() < 0.5 ? this.someKeys() : undefined;
      for (let k = 0; k < together; k++) {
        const name = `${isWrite ? 'write' : 'read'} ${i}.${k}`;
        world.at(atMs, () => void (isWrite ? this.write(name) : this.read(name, keys)));
      }
    }
    // More at once than may be pending.
    if (random.next() < 0.2) {
      const atMs = startMs + random.below(TROUBLED_MS);
      for (let k = 0; k < 40; k++) world.at(atMs, () => void this.read(`read of a burst, ${k}`));
    }
    for (let ms = 50; ms < TROUBLED_MS; ms += 100) {
      world.at(startMs + ms, () => this.expectBounds());
    }
  }

  close(): void {
    this.isClosed = true;
    this.client.close();
  }

  /** Everything can be read now, and written. */
  async expectWell(): Promise<void> {
    this.world.pieceGapMs = 0;
    const before = { ...this.counts };
    const deadlineAtMs = this.world.now() + 1_000;
    const read = {
      fields: FIELDS,
      keys: KEYS.map((key) => Buffer.from(key)),
      shape: 'hmget',
    } as const;
    try {
      const { cells } = await this.world.until(this.client.readHashes([read], { deadlineAtMs }));
      this.expectRows('the last read', textOf(cells[0]!, FIELDS.width), KEYS, false);
    } catch (error) {
      this.problems.push(`nothing is broken any more, but: ${String(error)}`);
    }
    await this.world.until(this.write('the last write', true));
    if (this.counts.failedWrites > before.failedWrites) {
      this.problems.push('nothing is broken any more, but the last write failed');
    }
    this.throwProblems();
  }

  /** No command is left. */
  async expectQuiet(): Promise<void> {
    // A node may just be asked for a sign of life, but not all the time.
    let pending = 1;
    for (let i = 0; i < 3 && pending > 0; i++) {
      await this.world.pass(7);
      pending = [...this.client.nodes()].reduce((sum, node) => sum + node.pendingCount, 0);
    }
    if (pending > 0) this.problems.push(`${pending} commands are never answered`);
  }

  /** Nothing is left once the client is closed: no call without an answer, no timer, no connection. */
  async expectEnd(): Promise<void> {
    for (const check of this.later) check();
    await this.world.pass(10_000);
    if (this.world.eventCount > 0) {
      this.problems.push(`${this.world.eventCount} events after the client was closed`);
    }
    if (this.underWay.size > 0) {
      this.problems.push(`never answered: ${[...this.underWay].join(', ')}`);
    }
    this.expectAttempts();
    this.throwProblems();
  }

  private someKeys(): string[] {
    return Array.from({ length: 1 + this.random.below(8) }, () => this.random.pick(KEYS));
  }

  private async read(name: string, keys = this.someKeys()): Promise<void> {
    const { random, world } = this;
    this.counts.reads++;
    const timeoutMs = 5 + random.below(500);
    const deadlineAtMs = world.now() + timeoutMs;
    const isPartial = random.next() < 0.3;
    const shape = random.pick(['hmget', 'hgetall'] as const);
    const abort = new AbortController();
    const isAborted = random.next() < 0.1;
    if (isAborted) world.at(world.now() + random.below(50), () => abort.abort());
    const { signal } = abort;
    const read = { fields: FIELDS, keys: keys.map((key) => Buffer.from(key)), shape };
    const nodeReads: NodeRead[] = [];
    const onNodeRead = (nodeRead: NodeRead): void => void nodeReads.push(nodeRead);
    const limits = { deadlineAtMs, isPartial, signal, onNodeRead };
    this.underWay.add(name);
    try {
      const { cells, lostCount } = await this.client.readHashes([read], limits);
      this.expectNodeReads(name, nodeReads, { keys: keys.length, lost: lostCount });
      const check = (): void =>
        this.expectRows(name, textOf(cells[0]!, FIELDS.width), keys, isPartial);
      check();
      this.later.push(check);
      this.counts.lostRows += lostCount;
    } catch (error) {
      this.counts.failedReads++;
      this.expectFailure(name, error, keys);
      if (error instanceof RedisError && error.code === 'OVERLOADED') {
        this.counts.overloaded++;
      } else if (this.isMild && !isAborted && timeoutMs >= ENOUGH_TIME_MS && !this.isClosed) {
        this.problems.push(`${name} failed although it need not have: ${String(error)}`);
      }
    }
    this.underWay.delete(name);
    if (world.now() > deadlineAtMs + 0.01) {
      this.problems.push(`${name} ended ${world.now() - deadlineAtMs} ms after its deadline`);
    }
  }

  /** Every key is told of once, with whether it was read. */
  private expectNodeReads(
    name: string,
    nodeReads: readonly NodeRead[],
    expected: { keys: number; lost: number },
  ): void {
    const told = { keys: 0, lost: 0 };
    for (const { keyCount, isAnswered } of nodeReads) {
      told.keys += keyCount;
      if (!isAnswered) told.lost += keyCount;
    }
    if (told.keys !== expected.keys || told.lost !== expected.lost) {
      const [is, should] = [JSON.stringify(told), JSON.stringify(expected)];
      this.problems.push(`${name} told of its nodes ${is} instead of ${should}`);
    }
  }

  private async write(name: string, isWanted = false): Promise<void> {
    const { random, world, cluster } = this;
    this.counts.writes++;
    const isRepeatable = random.next() < 0.5;
    const keys = Array.from({ length: 1 + random.below(4) }, () => random.pick(KEYS));
    const calls = keys.map((key, i) => ({
      key: Buffer.from(key),
      words: ['HINCRBY', key, `${name} ${i}`, '1'],
      isRepeatable,
    }));
    const deadlineAtMs = world.now() + (isWanted ? 1_000 : 50 + random.below(1_500));
    // Its caller goes away before anything can have been sent.
    const abort = new AbortController();
    const isNeverSent = !isWanted && random.next() < 0.1;
    const limits = { deadlineAtMs, signal: abort.signal };
    this.underWay.add(name);
    try {
      const calling = this.client.callAll(calls, limits, 5_000);
      if (isNeverSent) abort.abort();
      const replies = await calling;
      if (replies.some((reply) => reply instanceof Error)) this.counts.failedWrites++;
      for (const [i, reply] of replies.entries()) {
        const done = cluster.executions.get(`${name} ${i}`) ?? 0;
        if (typeof reply === 'number' && done === 0 && !this.isGarbled)
          this.problems.push(`${name} ${i} was not done`);
      }
    } catch (error) {
      this.counts.failedWrites++;
      this.expectFailure(name, error, keys);
    }
    this.underWay.delete(name);
    this.later.push(() => {
      for (const [i] of calls.entries()) {
        const done = cluster.executions.get(`${name} ${i}`) ?? 0;
        if (isNeverSent && done > 0) this.problems.push(`${name} ${i} was sent for nobody`);
        if (!isRepeatable && done > 1) this.problems.push(`${name} ${i} was done ${done} times`);
      }
    });
    if (world.now() > deadlineAtMs + 0.01) {
      this.problems.push(`${name} ended ${world.now() - deadlineAtMs} ms after its deadline`);
    }
  }

  private expectRows(
    name: string,
    rows: readonly (readonly (string | null)[])[],
    keys: readonly string[],
    mayBeLost: boolean,
  ): void {
    for (const [i, key] of keys.entries()) {
      const row = rows[i] ?? [];
      if (mayBeLost && row.every((cell) => cell === 'lost')) continue;
      if (row[0] !== valueOf(key, 'f') || row[1] !== valueOf(key, 'g')) {
        this.problems.push(`${name}: ${key} was read as ${JSON.stringify(row)}`);
      }
    }
  }

  private expectFailure(name: string, error: unknown, keys: readonly string[]): void {
    const isKnown = error instanceof RedisError && error.message !== '';
    const isAbout =
      !(error instanceof HashReadError) || keys.includes(Buffer.from(error.key).toString('latin1'));
    if (!isKnown || !isAbout || (error.code === 'PROTOCOL' && !this.isGarbled)) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.problems.push(`${name} failed with ${text}`);
    }
  }

  private expectBounds(): void {
    for (const node of this.client.nodes()) {
      // Both connections, and what a node is asked for its own sake.
      if (node.pendingCount > 2 * MAX_PENDING_COMMANDS + 8) {
        this.problems.push(`${node.address} has ${node.pendingCount} commands pending`);
      }
    }
  }

  private expectAttempts(): void {
    for (const [address, attempts] of Map.groupBy(this.world.attempts, (each) => each.address)) {
      for (const { atMs } of attempts) {
        const count = attempts.filter((other) => other.atMs >= atMs && other.atMs < atMs + 1_000);
        if (count.length > MAX_ATTEMPTS_PER_SECOND) {
          this.problems.push(`${address} was connected to ${count.length} times in a second`);
          break;
        }
      }
    }
  }

  private throwProblems(): void {
    if (this.problems.length > 0) {
      const shown = this.problems.slice(0, 4).join('; ');
      throw new Error(`${this.problems.length} problems: ${shown} (${this.setting})`);
    }
  }
}

/** A way to break a node, and to repair it. */
type Fault = (stage: {
  readonly cluster: SimulatedCluster;
  readonly node: number;
  readonly random: Random;
}) => (() => void) | undefined;

/** Every way in which a schedule breaks something, by its name. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  cut({ cluster, node }) {
    cluster.cut(node);
    return undefined;
  },
  crash({ cluster, node }) {
    return cluster.crash(node);
  },
  'crash and load'({ cluster, node }) {
    cluster.cut(node);
    const state = cluster.states[node]!;
    state.refusal = 'LOADING Redis is loading the dataset in memory';
    return () => (state.refusal = undefined);
  },
  'crash and failover'({ cluster, node }) {
    const repair = cluster.crash(node);
    if (cluster.primaryOf(node % cluster.shards) === node) cluster.failOver(node % cluster.shards);
    return repair;
  },
  'planned failover'({ cluster, node }) {
    cluster.failOver(node % cluster.shards);
    return undefined;
  },
  stop({ cluster, node }) {
    cluster.states[node]!.isStopped = true;
    return () => cluster.resume(node);
  },
  'black hole'({ cluster, node }) {
    cluster.blackHole(node);
    return undefined;
  },
  unreachable({ cluster, node }) {
    const state = cluster.states[node]!;
    state.presence = null;
    cluster.blackHole(node);
    return () => (state.presence = 'up');
  },
  garbage({ cluster, node }) {
    cluster.states[node]!.spoil = 'garbage';
    return undefined;
  },
  /** Every reply after it seems to be that of the command before. */
  'one reply too many'({ cluster, node }) {
    cluster.states[node]!.spoil = 'extra';
    return undefined;
  },
  'half a reply'({ cluster, node, random }) {
    cluster.states[node]!.spoil = random.pick(['half-then-cut', 'half-then-nothing'] as const);
    return undefined;
  },
  slow({ cluster, node, random }) {
    const state = cluster.states[node]!;
    state.delayMs = 1 + random.below(200);
    return () => (state.delayMs = 0);
  },
  refusal({ cluster, node, random }) {
    const state = cluster.states[node]!;
    state.refusal = random.pick([
      'CLUSTERDOWN The cluster is down',
      'LOADING Redis is loading the dataset in memory',
      'MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to no.',
      'TRYAGAIN Multiple keys request during rehashing of slot',
      'NOAUTH Authentication required.',
      'READONLY You can’t write against a read only replica.',
    ]);
    return () => (state.refusal = undefined);
  },
  /** Keys have gone to another shard, and their primary, which knows, answers nobody: its replica says that they are not there. */
  'stop in a migration'({ cluster, node, random }) {
    const primary = sendAway(cluster, node, random);
    return cluster.later(120, () => {
      cluster.states[primary]!.isStopped = true;
      return () => cluster.resume(primary);
    });
  },
  /** The same, and the primary that they went to is dead: nobody can say what is not there. */
  'stop in a migration to a node that dies'({ cluster, node, random }) {
    const primary = sendAway(cluster, node, random);
    return cluster.later(120, () => {
      const repair = cluster.crash(cluster.primaryOf((node + 1) % cluster.shards));
      const resume = cluster.later(200, () => {
        cluster.states[primary]!.isStopped = true;
        return () => cluster.resume(primary);
      });
      return () => {
        resume();
        repair();
      };
    });
  },
  migration({ cluster, random }) {
    for (let i = 0; i < 5; i++) {
      const slot = redisSlot(Buffer.from(random.pick(KEYS)));
      cluster.migrate(slot, random.below(cluster.shards));
    }
    return undefined;
  },
};

/** Moves slots of the shard of a node to the next one. @returns their primary. */
function sendAway(cluster: SimulatedCluster, node: number, random: Random): number {
  const shard = node % cluster.shards;
  for (let i = 0; i < 12; i++) {
    const slot = redisSlot(Buffer.from(random.pick(KEYS)));
    if (cluster.holderOf(slot) === shard) cluster.migrate(slot, (shard + 1) % cluster.shards, 500);
  }
  return cluster.primaryOf(shard);
}

/** What a client gets over without failing a read that has some time: nothing of it takes longer than a moment. */
const MILD = ['cut', 'cut', 'migration'];
/** For such a read. */
const ENOUGH_TIME_MS = 400;

/** Without sentinels nobody tells a client of another primary. */
function faultsOf(deployment: Deployment): readonly string[] {
  const isTold = (name: string): boolean => deployment !== 'redis' || !name.includes('failover');
  return Object.keys(FAULTS).filter(isTold);
}

/** Breaks one to five things, each for a while. @returns their names, for the summary. */
function scheduleFaults(
  {
    world,
    cluster,
    random,
  }: {
    readonly world: SimulatedWorld;
    readonly cluster: SimulatedCluster;
    readonly random: Random;
  },
  names: readonly string[],
  callTimesMs: readonly number[],
): readonly string[] {
  const startMs = world.now();
  return Array.from({ length: 1 + random.below(5) }, () => {
    const name = random.pick(names);
    const node = random.below(cluster.nodeCount);
    const beginMs = random.below(TROUBLED_MS - 500);
    // Often while commands are on their way, or their answers.
    const atMs =
      random.next() < 0.5
        ? Math.min(random.pick(callTimesMs) + random.next(), startMs + TROUBLED_MS - 500)
        : startMs + beginMs;
    const forMs = 10 + random.below(Math.min(1_500, startMs + TROUBLED_MS - atMs - 20));
    world.at(atMs, () => {
      const repair = FAULTS[name]!({ cluster, node, random });
      if (repair !== undefined) world.at(world.now() + forMs, repair);
    });
    return `${name} of n${node} at ${Math.round(atMs - startMs)} ms`;
  });
}
