import { copyBytes } from './encode-command.ts';
import { writeCrc64 } from './crc64.ts';

/** Longest field or value that `DumpedHash` takes: what one byte can give the length of in a listpack. */
export const MAX_DUMPED_WORD_BYTES = 63;

/** Of Redis 7.0, the first to have listpacks in hashes; newer ones read it as well. */
const RDB_VERSION = 10;
const RDB_TYPE_HASH_LISTPACK = 16;
/** Type, and the length of a string in its longest form. */
const PROLOGUE_BYTES = 1 + 5;
const LISTPACK_HEAD_BYTES = 6;
const LISTPACK_END = 0xff;
const SHORT_STRING = 0x80;
const EPILOGUE_BYTES = 1 + 2 + 8;

/** Bytes that a dumped hash takes. @param words fields and values, of `bytes` bytes together. */
export function dumpBytes(words: number, bytes: number): number {
  return PROLOGUE_BYTES + LISTPACK_HEAD_BYTES + 2 * words + bytes + EPILOGUE_BYTES;
}

/** A word as it lies in a listpack: `MAX_DUMPED_WORD_BYTES` at most. */
export function encodeDumpedWord(word: Uint8Array): Uint8Array {
  return Uint8Array.of(SHORT_STRING | word.length, ...word, word.length + 1);
}

/**
 * Writes a small hash as `DUMP` gives it and `RESTORE` takes it: the listpack that Redis keeps such a hash in, so that it
 * has nothing to do but copy it. The layout (`rdb.c`, `listpack.c`, all numbers little-endian but the length):
 *
 *     16 | length: 10000000, u32 big-endian | listpack | version u16 | CRC-64 of all before it
 *     listpack: bytes u32, entries u16 | per entry: 10 and length (6 bits), bytes, length of these two | ff
 *
 * Words go in one after the other, field and value by turns; no field may occur twice.
 */
export class DumpedHash {
  private readonly out: Uint8Array;
  private readonly start: number;
  private words = 0;
  /** Where the next word goes. */
  private at: number;

  /** @param out has room for `dumpBytes` from `start` on. */
  constructor(out: Uint8Array, start: number) {
    this.out = out;
    this.start = start;
    this.at = start + PROLOGUE_BYTES + LISTPACK_HEAD_BYTES;
  }

  /** @param source of which `[start, end)` are the word, `MAX_DUMPED_WORD_BYTES` at most. */
  add(source: Uint8Array, start: number, end: number): void {
    const { out } = this;
    const length = end - start;
    out[this.at] = SHORT_STRING | length;
    const at = copyBytes(out, this.at + 1, source, start, end);
    out[at] = length + 1;
    this.at = at + 1;
    this.words++;
  }

  /** Adds a word that `encodeDumpedWord` has made ready. */
  addEncoded(word: Uint8Array): void {
    this.at = copyBytes(this.out, this.at, word, 0, word.length);
    this.words++;
  }

  /** Writes what goes around the words; returns the position after it. */
  finish(): number {
    const { out, start, words } = this;
    let { at } = this;
    out[at++] = LISTPACK_END;
    const listpackAt = start + PROLOGUE_BYTES;
    const length = at - listpackAt;
    out[start] = RDB_TYPE_HASH_LISTPACK;
    out[start + 1] = 0x80;
    for (let i = 0; i < 4; i++) {
      out[start + 2 + i] = length >>> (24 - 8 * i);
      out[listpackAt + i] = length >>> (8 * i);
    }
    out[listpackAt + 4] = words;
    out[listpackAt + 5] = words >>> 8;
    out[at] = RDB_VERSION;
    out[at + 1] = 0;
    return writeCrc64(out, start, at + 2);
  }
}
