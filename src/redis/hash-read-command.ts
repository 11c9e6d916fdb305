import type { Absence } from './absence-check.ts';
import type { CommandRouter } from './command-router.ts';
import { keyPartLength, writeKeyPart } from './encode-command.ts';
import type { HashRows } from './hash-rows.ts';
import type { HashFields, ReadShape } from './hash-fields.ts';
import {
  ABSENT,
  readFieldsReply,
  readPairsReply,
  ReplyProgress,
  unexpectedReply,
} from './read-hash-reply.ts';
import type { RedisConnection } from './redis-connection.ts';
import { RedisError } from './redis-error.ts';
import type { RedisNode } from './redis-node.ts';
import type { ReceiveSlab } from './receive-slab.ts';
import { redisSlot } from './redis-slot.ts';
import { Resp, type ReplyReader } from './reply-reader.ts';
import type { RoutedCommand } from './routed-command.ts';

/** Where the row of one hash goes, and who waits for it. */
export interface HashRow {
  readonly cells: HashRows;
  /** Of the hash among those of `cells`. */
  readonly index: number;
  readonly owner: HashRowOwner;
}

export interface HashRowOwner {
  /** The owner waits no more. */
  readonly isOver: boolean;
  /** @param address of the node that answered */
  onRow(address: string): void;
  onRowLost(row: HashRow, key: Uint8Array, error: RedisError): void;
}

/** One hash on its way, for one caller or several that asked for it in the same turn. */
export class HashReadCommand implements RoutedCommand {
  isOver = false;
  isAsking = false;
  excluded: string[] | undefined = undefined;
  refusals = 0;
  losses = 0;
  redirections = 0;
  outstanding = 0;
  absence: Absence = 'not-said';
  readonly isRead = true;
  readonly isRepeatable = true;
  readonly slot: number;
  readonly fields: HashFields;
  readonly key: Uint8Array;
  readonly shape: ReadShape;
  /** The node that was asked first; for hedging. */
  node: RedisNode | undefined = undefined;
  isHedged = false;
  private readonly router: CommandRouter;
  private row: HashRow;
  private followers: HashRow[] | undefined = undefined;
  /** Whose reply is being read into the row: of two answers that arrive by turns only whole ones count. */
  private reading: ReplyReader | undefined = undefined;
  private isUnusual = false;

  constructor(
    router: CommandRouter,
    fields: HashFields,
    shape: ReadShape,
    key: Uint8Array,
    row: HashRow,
  ) {
    this.router = router;
    this.fields = fields;
    this.shape = shape;
    this.key = key;
    this.row = row;
    this.slot = router.topology.isCluster ? redisSlot(key) : 0;
  }

  /** Has another caller's row filled by this read as well. */
  follow(row: HashRow): void {
    (this.followers ??= []).push(row);
  }

  /**
   * A caller waits no more: its row is not written to again. The read is over when nobody waits.
   *
   * @returns the caller's row; `undefined` where it has none here.
   */
  release(owner: HashRowOwner): HashRow | undefined {
    const { row, followers } = this;
    if (row.owner !== owner) {
      const at = followers?.findIndex((follower) => follower.owner === owner) ?? -1;
      return followers?.splice(at, at < 0 ? 0 : 1)[0];
    }
    const heir = followers?.shift();
    if (heir === undefined) {
      this.isOver = true;
    } else {
      // What was read into the old row is read again from the beginning.
      this.row = heir;
      this.reading = undefined;
    }
    return row;
  }

  encodedLength(): number {
    const { head, tail } = this.fields[this.shape];
    return head.length + keyPartLength(this.key) + tail.length;
  }

  encode(out: Uint8Array, at: number): number {
    const { head, tail } = this.fields[this.shape];
    out.set(head, at);
    at = writeKeyPart(out, at + head.length, this.key);
    out.set(tail, at);
    return at + tail.length;
  }

  readReply(reader: ReplyReader): boolean {
    const { fields, shape, row } = this;
    if (this.reading !== reader) {
      this.reading = reader;
      this.isUnusual = false;
      reader.restart();
    }
    if (!this.isUnusual) {
      const at = row.index * fields.width;
      const progress =
        shape === 'hmget'
          ? readFieldsReply(reader, fields.width, row.cells, at)
          : readPairsReply(reader, fields, row.cells, at);
      if (progress !== ReplyProgress.OTHER) {
        return progress === ReplyProgress.COMPLETE;
      }
      this.isUnusual = true;
      reader.restart();
    }
    return reader.skip();
  }

  isAnsweredBy(type: number): boolean {
    const isMap = type === Resp.MAP && this.shape === 'hgetall';
    return type === Resp.ARRAY || isMap || type === Resp.ATTRIBUTE;
  }

  onReply(reader: ReplyReader, connection: RedisConnection): void {
    if (this.isUnusual) {
      const { address } = connection;
      const error = unexpectedReply(address);
      this.fail(error);
      // Replies that are out of step would be taken for those of other keys: nothing more of this connection counts.
      connection.reconnect(new RedisError('UNREACHABLE', error.message, { address, cause: error }));
      return;
    }
    const { absence } = this.router;
    if (absence !== undefined && this.isAbsent() && absence.confirm(this, connection)) {
      return;
    }
    this.isOver = true;
    const { cells, index, owner } = this.row;
    cells.put(index, reader.slab);
    owner.onRow(connection.address);
    if (this.followers !== undefined) {
      for (const follower of this.followers) {
        copyRow(this.row, follower, this.fields.width, reader.slab);
        follower.owner.onRow(connection.address);
      }
    }
  }

  /** Whether nothing of what was read is there. */
  private isAbsent(): boolean {
    const { starts } = this.row.cells;
    const { width } = this.fields;
    const first = this.row.index * width;
    for (let i = 0; i < width; i++) {
      if (starts[first + i] !== ABSENT) return false;
    }
    return true;
  }

  onErrorReply(text: string, connection: RedisConnection): void {
    this.router.onErrorReply(this, text, connection);
  }

  onLost(error: RedisError, wasSent: boolean, connection: RedisConnection): void {
    this.router.onLost(this, error, wasSent, connection);
  }

  fail(error: RedisError): void {
    this.isOver = true;
    for (const row of [this.row, ...(this.followers ?? [])]) {
      if (!row.owner.isOver) {
        row.owner.onRowLost(row, this.key, error);
      }
    }
  }
}

function copyRow(from: HashRow, to: HashRow, width: number, slab: ReceiveSlab): void {
  const start = from.index * width;
  const target = to.index * width;
  to.cells.put(to.index, slab);
  for (let i = 0; i < width; i++) {
    to.cells.starts[target + i] = from.cells.starts[start + i]!;
    to.cells.ends[target + i] = from.cells.ends[start + i]!;
  }
}
