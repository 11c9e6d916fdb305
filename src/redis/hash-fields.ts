import { Buffer } from 'node:buffer';
import { encodeCommand } from './encode-command.ts';

/** How fields of a hash are asked for: those that are wanted, or all. */
export type ReadShape = 'hmget' | 'hgetall';

/**
 * The fields that are read of every hash, made ready: command bytes with a gap for the key, and where the value of a field
 * goes when a hash comes whole. Cell `i` is that of `fields[i]`; a field may be there more than once.
 */
export interface HashFields {
  readonly fields: readonly Uint8Array[];
  readonly width: number;
  /** Commands as the two parts around `[length]\r\n[key]`. */
  readonly hmget: CommandParts;
  readonly hgetall: CommandParts;
  readonly table: FieldTable;
  readonly guess: FieldGuess;
}

export interface CommandParts {
  readonly head: Buffer;
  readonly tail: Buffer;
}

/**
 * What stood at each place of the last whole hash: most hashes were written in one order, so a field is mostly where it was
 * and need not be looked up. Only fields of four bytes are guessed; a guess is compared before it is believed.
 */
export interface FieldGuess {
  /** By place in the hash: the four bytes of the field as a number. */
  fields: Int32Array;
  /** By place: its first cell, -1 = it is not wanted, `NOT_GUESSED` = nothing is known. */
  cells: Int32Array;
}

export const NOT_GUESSED = -2;
/** Places that are guessed; hashes with more fields are looked up from there on. */
export const MAX_GUESSED = 8_192;

/** Makes room to guess so many places. */
export function growGuess(guess: FieldGuess, places: number): void {
  const length = Math.min(2 * places, MAX_GUESSED);
  const { fields, cells } = guess;
  guess.fields = new Int32Array(length);
  guess.fields.set(fields);
  guess.cells = new Int32Array(length).fill(NOT_GUESSED);
  guess.cells.set(cells);
}

/** Open addressing from a field to its first cell. */
export interface FieldTable {
  /** Cell + 1 by slot, 0 = free; a power of two of them. */
  readonly slots: Int32Array;
  /** `hashField` of the field of each cell. */
  readonly hashes: Int32Array;
  /** Per cell: where its field stands in `bytes`; `fieldStarts[i + 1]` is its end. */
  readonly fieldStarts: Int32Array;
  readonly bytes: Buffer;
  /** Per cell: the next one of the same field, or -1. */
  readonly next: Int32Array;
}

/** Makes `fields` ready to be read; nothing of it is computed again when a hash is read. */
export function prepareHashFields(fields: readonly Uint8Array[]): HashFields {
  return {
    fields,
    width: fields.length,
    hmget: splitCommand(['HMGET', '', ...fields]),
    hgetall: splitCommand(['HGETALL', '']),
    table: buildTable(fields),
    guess: { fields: new Int32Array(0), cells: new Int32Array(0) },
  };
}

/** A command whose second word, left empty here, is the key. */
function splitCommand(words: readonly (string | Uint8Array)[]): CommandParts {
  const whole = encodeCommand(words);
  const gap = whole.indexOf('$0\r\n');
  return {
    head: ownBuffer(whole.subarray(0, gap + 1)),
    tail: ownBuffer(whole.subarray(gap + '$0\r\n'.length)),
  };
}

/**
 * A copy outside the pool that Node makes small buffers in. What is prepared is kept for long, and a part of the pool would keep
 * 64 KiB with it.
 */
function ownBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(new Uint8Array(bytes).buffer);
}

function buildTable(fields: readonly Uint8Array[]): FieldTable {
  const slotCount = 2 ** Math.ceil(Math.log2(Math.max(2 * fields.length, 2)));
  const table: FieldTable = {
    slots: new Int32Array(slotCount),
    hashes: new Int32Array(fields.length),
    fieldStarts: new Int32Array(fields.length + 1),
    bytes: ownBuffer(Buffer.concat(fields)),
    next: new Int32Array(fields.length).fill(-1),
  };
  for (const [cell, field] of fields.entries()) {
    table.fieldStarts[cell + 1] = table.fieldStarts[cell]! + field.length;
  }
  for (const [cell, field] of fields.entries()) {
    table.hashes[cell] = hashField(field, 0, field.length);
    let slot = table.hashes[cell] & (slotCount - 1);
    for (;;) {
      const first = table.slots[slot]! - 1;
      if (first < 0) {
        table.slots[slot] = cell + 1;
        break;
      }
      if (Buffer.compare(fields[first]!, field) === 0) {
        table.next[cell] = table.next[first]!;
        table.next[first] = cell;
        break;
      }
      slot = (slot + 1) & (slotCount - 1);
    }
  }
  return table;
}

/** The first cell of the field `bytes[start, end)`, or -1 where it is not wanted. */
export function findField(
  table: FieldTable,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const { slots, hashes } = table;
  const mask = slots.length - 1;
  const hash = hashField(bytes, start, end);
  let slot = hash & mask;
  for (;;) {
    const cell = slots[slot]! - 1;
    if (cell < 0) {
      return -1;
    }
    if (hashes[cell] === hash && isField(table, cell, bytes, start, end)) {
      return cell;
    }
    slot = (slot + 1) & mask;
  }
}

function isField(
  { fieldStarts, bytes: own }: FieldTable,
  cell: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  const ownStart = fieldStarts[cell]!;
  const length = end - start;
  if (fieldStarts[cell + 1]! - ownStart !== length) {
    return false;
  }
  for (let i = 0; i < length; i++) {
    if (own[ownStart + i] !== bytes[start + i]) {
      return false;
    }
  }
  return true;
}

/** Fields are mostly four bytes that are a hash themselves: those are taken as they are, mixed with what else there is. */
function hashField(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0;
  for (let at = start; at < end; at++) {
    hash = ((hash << 8) | (hash >>> 24)) ^ bytes[at]!;
  }
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d) | 0;
}
