import {
  HashReadBatch,
  type HashRead,
  type HashReaderOptions,
  type HashReadLimits,
  type HashReadResult,
  type ReadTurn,
} from './hash-read-batch.ts';
import type { HashReadCommand } from './hash-read-command.ts';
import type { HashFields } from './hash-fields.ts';

/**
 * Reads that several callers ask for in the same turn are sent once; the turn ends when commands are sent. Nobody joins a
 * read that was sent before, so that a read sees every write that was acknowledged before it began.
 */
export class HashReader {
  private readonly options: HashReaderOptions;
  private turn: Turn | undefined = undefined;

  constructor(options: HashReaderOptions) {
    this.options = options;
  }

  /** One command per hash, all at once. Rejects with a RedisError, `HashReadError` where it is about one hash. */
  read(reads: readonly HashRead[], limits: HashReadLimits): Promise<HashReadResult> {
    try {
      const batch = new HashReadBatch(this.options, reads, limits);
      if (batch.hashCount > 0) this.start(batch);
      return batch.waiting.finished;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private start(batch: HashReadBatch): void {
    const { sharesReads, runtime } = this.options;
    const { turn } = this;
    if (!sharesReads) {
      batch.start(undefined);
    } else if (turn === undefined) {
      this.turn = new Turn(batch.commands);
      runtime.defer(this.endTurn);
      batch.start(undefined);
    } else {
      batch.start(turn);
      turn.batches.push(batch.commands);
    }
  }

  private readonly endTurn = (): void => {
    this.turn = undefined;
  };
}

/** What was asked for in one turn. It is not used again: a map that is cleared keeps what was in it from the young collector. */
class Turn implements ReadTurn {
  readonly batches: (readonly HashReadCommand[])[];
  /** By fields and hash of the key, from the second caller on; of keys with one hash the last. */
  private readonly index = new Map<HashFields, Map<number, HashReadCommand>>();
  private indexed = 0;

  constructor(first: readonly HashReadCommand[]) {
    this.batches = [first];
  }

  find(fields: HashFields, key: Uint8Array): HashReadCommand | undefined {
    for (; this.indexed < this.batches.length; this.indexed++) {
      for (const command of this.batches[this.indexed]!) this.enter(command);
    }
    const found = this.index.get(fields)?.get(hashKey(key));
    // What was sent again may be answered in a while, or not.
    if (found === undefined || found.isOver || found.losses > 0) return undefined;
    return isSame(found.key, key) ? found : undefined;
  }

  private enter(command: HashReadCommand): void {
    let byKey = this.index.get(command.fields);
    if (byKey === undefined) {
      byKey = new Map();
      this.index.set(command.fields, byKey);
    }
    byKey.set(hashKey(command.key), command);
  }
}

function hashKey(key: Uint8Array): number {
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key[i]!, 0x0100_0193);
  return hash;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}
