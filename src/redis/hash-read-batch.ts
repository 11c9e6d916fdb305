import type { CommandRouter } from './command-router.ts';
import { chooseNode } from './choose-node.ts';
import { HashReadCommand, type HashRow, type HashRowOwner } from './hash-read-command.ts';
import { HashRows } from './hash-rows.ts';
import type { HashFields, ReadShape } from './hash-fields.ts';
import type { HedgeBudget } from './hedge-budget.ts';
import { NodeReads, type NodeReadObserver } from './node-reads.ts';
import { LOST } from './read-hash-reply.ts';
import { RedisError } from './redis-error.ts';
import type { RedisNode } from './redis-node.ts';
import type { RedisRuntime, RedisTimer } from './redis-runtime.ts';
import { Waiting, type CallLimits, type Waiter } from './waiting.ts';

/** The same fields of some hashes. */
export interface HashRead {
  readonly fields: HashFields;
  readonly keys: readonly Uint8Array[];
  readonly shape: ReadShape;
}

export interface HashReadLimits extends CallLimits {
  /** Answer what can be read and mark the rest `LOST`, instead of failing. */
  readonly isPartial?: boolean | undefined;
  readonly onNodeRead?: NodeReadObserver | undefined;
}

/** What was read, aligned with the reads. */
export interface HashReadResult {
  /** To be released when they have been looked at. */
  readonly cells: readonly HashRows[];
  /** Hashes that were asked for. */
  readonly hashCount: number;
  /** Hashes that could not be read; 0 unless `isPartial`. */
  readonly lostCount: number;
  /** Why, for one of them. */
  readonly lostReason: RedisError | undefined;
}

/** The error for a hash that could not be read, and the hash. */
export class HashReadError extends RedisError {
  readonly key: Uint8Array;

  constructor(key: Uint8Array, { code, message, address, cause }: RedisError) {
    super(code, message, { address, cause });
    this.key = key;
  }
}

/** What reads share. */
export interface HashReaderOptions {
  readonly runtime: RedisRuntime;
  readonly router: CommandRouter;
  readonly budget: HedgeBudget;
  /** Share of a node's answers that come in time: who is later than that is hedged. */
  readonly hedgeQuantile: number;
  readonly commandTimeoutMs: number;
  /** Whether what several callers ask for in the same turn is sent once. */
  readonly sharesReads: boolean;
  readonly counts: HashReadCounts;
}

export interface HashReadCounts {
  /** Reads that were sent. */
  reads: number;
  /** Reads that joined one of the same turn. */
  joined: number;
  hedged: number;
}

/** What is asked for in one turn of the event loop. */
export interface ReadTurn {
  find(fields: HashFields, key: Uint8Array): HashReadCommand | undefined;
}

/** Before a node's answers are known, and at the least: timers are no finer. */
const UNKNOWN_HEDGE_DELAY_MS = 25;
const MIN_HEDGE_DELAY_MS = 1;
/** Addresses named in one message. */
const MAX_NAMED_NODES = 5;

/** All hashes of one call. */
export class HashReadBatch implements HashRowOwner, Waiter<HashReadResult> {
  readonly commands: HashReadCommand[] = [];
  readonly waiting: Waiting<HashReadResult>;
  readonly hashCount: number;
  private readonly joined: HashReadCommand[] = [];
  private readonly options: HashReaderOptions;
  private readonly reads: readonly HashRead[];
  private readonly isPartial: boolean;
  private readonly cells: HashRows[];
  /** Absent = nobody wants to know. */
  private readonly nodeReads: NodeReads | undefined;
  private lostCount = 0;
  private lostReason: RedisError | undefined = undefined;
  private hedgeTimer: RedisTimer | undefined = undefined;

  constructor(options: HashReaderOptions, reads: readonly HashRead[], limits: HashReadLimits) {
    this.options = options;
    this.reads = reads;
    this.isPartial = limits.isPartial === true;
    const { runtime } = options;
    const { onNodeRead } = limits;
    this.nodeReads =
      onNodeRead === undefined ? undefined : new NodeReads(() => runtime.now(), onNodeRead);
    let count = 0;
    for (const { keys } of reads) count += keys.length;
    this.hashCount = count;
    this.cells = reads.map(({ fields, keys }) => new HashRows(keys.length, fields.width));
    this.waiting = new Waiting(runtime, limits, options.commandTimeoutMs, count, this);
  }

  get isOver(): boolean {
    return this.waiting.isOver;
  }

  result(): HashReadResult {
    const { cells, hashCount, lostCount, lostReason } = this;
    return { cells, hashCount, lostCount, lostReason };
  }

  /** @param turn finds those that others ask for in it; `undefined` = there is nobody else. */
  start(turn: ReadTurn | undefined): void {
    const { router, budget, counts } = this.options;
    for (let g = 0; g < this.reads.length; g++) {
      const { fields, keys, shape } = this.reads[g]!;
      const cells = this.cells[g]!;
      for (let index = 0; index < keys.length; index++) {
        const row: HashRow = { cells, index, owner: this };
        const same = turn?.find(fields, keys[index]!);
        if (same !== undefined) {
          same.follow(row);
          this.joined.push(same);
        } else {
          this.commands.push(new HashReadCommand(router, fields, shape, keys[index]!, row));
        }
      }
    }
    counts.reads += this.commands.length;
    counts.joined += this.joined.length;
    budget.earn(this.commands.length);
    this.sendAll();
    this.hedgeLater();
  }

  onRow(address: string): void {
    this.nodeReads?.note(address, true);
    this.waiting.countDown();
  }

  onRowLost({ cells, index }: HashRow, key: Uint8Array, error: RedisError): void {
    this.nodeReads?.note(error.address ?? UNKNOWN_NODE, false);
    if (!this.isPartial || error.code === 'OVERLOADED' || isAboutTheKey(error)) {
      this.waiting.fail(new HashReadError(key, error));
      return;
    }
    const width = cells.starts.length / cells.buffers.length;
    cells.starts.fill(LOST, index * width, (index + 1) * width);
    cells.buffers[index] = NO_BYTES;
    this.lostCount++;
    this.lostReason = error;
    this.waiting.countDown();
  }

  /** Sends each command; those of one shard go to the same copy. */
  private sendAll(): void {
    const { router } = this.options;
    let lastSlotShard: unknown;
    let lastNode: RedisNode | undefined;
    for (const command of this.commands) {
      const shard = router.topology.shardOf(command.slot);
      if (lastNode === undefined || shard !== lastSlotShard) {
        const node = router.nodeFor(command);
        if (node instanceof RedisError) {
          command.fail(node);
          continue;
        }
        lastSlotShard = shard;
        lastNode = node;
      }
      command.node = lastNode;
      router.sendTo(command, lastNode);
    }
  }

  /** Has a look at what is late when the first of the asked nodes should have answered. */
  private hedgeLater(): void {
    const { router, runtime } = this.options;
    if (router.policy.readFrom === 'primary' || this.isOver) {
      return;
    }
    const nowMs = runtime.now();
    let delayMs = Infinity;
    for (const command of this.awaited()) {
      if (!command.isOver && !command.isHedged && command.node !== undefined) {
        const dueMs = this.waiting.startedAtMs + this.hedgeDelayMs(command.node) - nowMs;
        delayMs = Math.min(delayMs, Math.max(dueMs, MIN_HEDGE_DELAY_MS));
      }
    }
    if (delayMs < Infinity) {
      this.hedgeTimer = runtime.setTimer(() => {
        this.hedge();
        this.hedgeLater();
      }, delayMs);
    }
  }

  private hedgeDelayMs({ reads }: RedisNode): number {
    return reads.latency.quantileMs(this.options.hedgeQuantile) ?? UNKNOWN_HEDGE_DELAY_MS;
  }

  /** Asks another copy for what its node should have answered by now. */
  private hedge(): void {
    const { router, runtime, budget, counts } = this.options;
    const nowMs = runtime.now();
    for (const command of this.awaited()) {
      const { node } = command;
      if (command.isOver || command.isHedged || node === undefined) continue;
      if (nowMs - this.waiting.startedAtMs < this.hedgeDelayMs(node)) continue;
      command.isHedged = true;
      const shard = router.topology.shardOf(command.slot);
      if (shard === undefined) continue;
      const excluded = [node.address, ...(command.excluded ?? [])];
      const other = chooseNode(shard, router.policy, excluded, counts.hedged, nowMs);
      if (other?.isWell(nowMs) === true && budget.spend()) {
        counts.hedged++;
        router.sendTo(command, other);
      }
    }
  }

  onSilence(): void {
    const addresses = new Set<string>();
    const unsettled = this.unsettled();
    for (const { node } of unsettled) {
      if (node !== undefined) addresses.add(node.address);
    }
    const named = [...addresses].slice(0, MAX_NAMED_NODES).join(', ');
    const message = `no answer from Redis within ${this.options.commandTimeoutMs} ms: ${named}`;
    if (this.isPartial) {
      for (const command of unsettled) {
        const row = command.release(this);
        const error = new RedisError('NO_ANSWER', message, { address: command.node?.address });
        if (row !== undefined) this.onRowLost(row, command.key, error);
      }
    } else {
      this.waiting.fail(new RedisError('NO_ANSWER', message, { address: [...addresses][0] }));
    }
  }

  onEnd(error?: RedisError): void {
    // Nobody will look at what was read: not before who is at work on it has ended.
    if (error !== undefined) queueMicrotask(() => this.discard());
    this.hedgeTimer?.cancel();
    for (const command of this.unsettled()) {
      this.nodeReads?.note(command.node?.address ?? UNKNOWN_NODE, false);
      command.release(this);
    }
    this.nodeReads?.tell();
  }

  private discard(): void {
    for (const rows of this.cells) rows.release();
  }

  /** Its own commands, and those of others that fill rows of it: whoever sent them may be gone. */
  private awaited(): readonly HashReadCommand[] {
    return this.joined.length === 0 ? this.commands : [...this.commands, ...this.joined];
  }

  private unsettled(): HashReadCommand[] {
    return this.awaited().filter(({ isOver }) => !isOver);
  }
}

const NO_BYTES = new Uint8Array(0);

/** The address of nobody: no node has the slot. */
const UNKNOWN_NODE = '';

/** Errors that say something of what is stored, not of the node. */
function isAboutTheKey(error: RedisError): boolean {
  return (
    error.code === 'PROTOCOL' || (error.code === 'REPLY' && error.message.startsWith('WRONGTYPE'))
  );
}
