import { Buffer } from 'node:buffer';
import {
  HashReadBatch,
  type HashRead,
  type HashReaderOptions,
  type HashReadLimits,
  type HashReadResult,
} from './hash-read-batch.ts';
import type { HashReadCommand } from './hash-read-command.ts';
import type { HashFields } from './hash-fields.ts';

/** Reads that several callers ask for in the same turn are sent once; the turn ends when commands are sent. */
export class HashReader {
  private readonly options: HashReaderOptions;
  /** Of this turn. */
  private turn: HashReadCommand[] = [];
  /** The same by fields and key, from the second caller of a turn on. */
  private readonly index = new Map<HashFields, Map<string, HashReadCommand>>();
  private indexed = 0;

  constructor(options: HashReaderOptions) {
    this.options = options;
  }

  /** One command per hash, all at once. @throws RedisError, `HashReadError` where it is about one hash. */
  async read(reads: readonly HashRead[], limits: HashReadLimits): Promise<HashReadResult> {
    const batch = new HashReadBatch(this.options, reads, limits);
    if (batch.pendingCount > 0) {
      const isFirst = this.turn.length === 0;
      if (isFirst) this.options.runtime.defer(() => this.endTurn());
      batch.start((fields, key) => (isFirst ? undefined : this.find(fields, key)));
      for (const command of batch.commands) this.turn.push(command);
    }
    try {
      await batch.waiting.finished;
    } catch (error) {
      batch.discard();
      throw error;
    }
    return batch.result();
  }

  private endTurn(): void {
    this.turn = [];
    this.index.clear();
    this.indexed = 0;
  }

  private find(fields: HashFields, key: Uint8Array): HashReadCommand | undefined {
    for (; this.indexed < this.turn.length; this.indexed++) {
      const command = this.turn[this.indexed]!;
      let byKey = this.index.get(command.fields);
      if (byKey === undefined) {
        byKey = new Map();
        this.index.set(command.fields, byKey);
      }
      byKey.set(keyText(command.key), command);
    }
    const found = this.index.get(fields)?.get(keyText(key));
    // What was sent again may be answered in a while, or not.
    return found === undefined || found.isOver || found.retries > 0 ? undefined : found;
  }
}

function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}
