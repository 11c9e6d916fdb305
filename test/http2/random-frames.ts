import { framesOf, CORPUS } from './corpus.ts';
import {
  frame,
  GET,
  HELLO,
  integer,
  plainBlock,
  plainString,
  POST,
  PREFACE,
  type Fields,
} from './frames.ts';
import type { Random } from './random.ts';

const RECORDED = CORPUS.map(({ bytes }) => framesOf(bytes));

/** The bytes of one connection: sensible for the most part, and wrong in one place or several. */
export function randomConnection(random: Random): Buffer {
  const parts: Buffer[] = [random.chance(1, 50) ? random.bytes(random.below(40)) : HELLO];
  if (random.chance(1, 3)) {
    const recorded = random.pick(RECORDED);
    parts[0] = PREFACE;
    parts.push(...recorded.slice(0, random.below(Math.min(recorded.length, 12) + 1)));
  }
  for (let count = random.below(8); count > 0; count--) parts.push(randomFrame(random));
  if (random.chance(1, 4)) parts.splice(1, 0, ...parts.splice(1 + random.below(parts.length)));
  const bytes = Buffer.concat(parts);
  return random.chance(1, 2) ? bytes : damage(random, bytes);
}

function randomFrame(random: Random): Buffer {
  const streamId = random.chance(1, 20) ? random.below(2 ** 31) : random.below(10);
  const flags = random.chance(1, 10) ? random.below(256) : random.pick([0, 1, 4, 5, 8, 0x20, 0x25]);
  switch (random.below(12)) {
    case 0:
      return frame(0, flags, streamId, random.bytes(random.below(60)));
    case 1:
    case 2:
    case 3:
      return frame(1, random.pick([4, 5, 5, flags]), streamId | 1, randomBlock(random));
    case 4:
      return frame(9, flags, streamId, randomBlock(random));
    case 5:
      return frame(
        4,
        random.pick([0, 0, 1]),
        random.chance(1, 10) ? streamId : 0,
        randomSettings(random),
      );
    case 6:
      return frame(8, 0, streamId, randomUint32(random));
    case 7:
      return frame(3, 0, streamId, randomUint32(random));
    case 8:
      return frame(
        6,
        random.below(2),
        0,
        random.bytes(random.chance(1, 10) ? random.below(20) : 8),
      );
    case 9:
      return frame(2, 0, streamId, random.bytes(random.chance(1, 10) ? random.below(20) : 5));
    case 10:
      return frame(7, 0, 0, random.bytes(8 + random.below(9)));
    default:
      return frame(random.below(256), flags, streamId, random.bytes(random.below(30)));
  }
}

const NAMES = [
  'x-a',
  'grpc-timeout',
  'te',
  'content-length',
  'X-B',
  ':path',
  'cookie',
  'connection',
];
const VALUES = ['', '1', 'trailers', '5S', '100m', 'a b', ' a', 'a\r\n', 'x'.repeat(300)];

/** A header block: mostly a request, with literals of all kinds, references to the table, changes of its size. */
export function randomBlock(random: Random): Buffer {
  const parts: Buffer[] = [];
  if (random.chance(1, 10)) parts.push(integer(0x20, 5, random.pick([0, 64, 4096, 4097])));
  if (random.chance(4, 5)) parts.push(plainBlock(random.pick<Fields>([GET, POST])));
  for (let count = random.below(5); count > 0; count--) {
    if (random.chance(1, 3)) parts.push(integer(0x80, 7, random.below(70)));
    else parts.push(randomLiteral(random));
  }
  const block = Buffer.concat(parts);
  return random.chance(1, 5) ? damage(random, block) : block;
}

function randomLiteral(random: Random): Buffer {
  const [pattern, bits] = random.pick([
    [0x40, 6],
    [0x40, 6],
    [0, 4],
    [0x10, 4],
  ] as const);
  const index = random.chance(1, 2) ? 0 : random.below(66);
  return Buffer.concat([
    integer(pattern, bits, index),
    ...(index === 0 ? [randomString(random, NAMES)] : []),
    randomString(random, VALUES),
  ]);
}

function randomString(random: Random, texts: readonly string[]): Buffer {
  if (random.chance(3, 4)) return plainString(random.pick(texts));
  const coded = random.bytes(random.below(12));
  return Buffer.concat([integer(0x80, 7, coded.length), coded]);
}

function randomSettings(random: Random): Buffer {
  const pairs = Array.from({ length: random.below(4) }, () =>
    Buffer.concat([Buffer.from([0, random.below(8)]), randomUint32(random)]),
  );
  return random.chance(1, 20) ? random.bytes(random.below(20)) : Buffer.concat(pairs);
}

function randomUint32(random: Random): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(
    random.pick([0, 1, 2, random.below(100), 65_535, 2 ** 31 - 1, 2 ** 31, random.below(2 ** 32)]),
  );
  return bytes;
}

/** Changes, drops, repeats and puts in bytes. */
export function damage(random: Random, bytes: Buffer): Buffer {
  let damaged = Buffer.from(bytes);
  for (let count = 1 + random.below(4); count > 0 && damaged.length > 0; count--) {
    const at = random.below(damaged.length);
    const length = random.below(10);
    switch (random.below(5)) {
      case 0:
        damaged[at] = random.below(256);
        break;
      case 1:
        damaged[at]! ^= 1 << random.below(8);
        break;
      case 2:
        damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(at + length)]);
        break;
      case 3:
        damaged = Buffer.concat([damaged.subarray(0, at + length), damaged.subarray(at)]);
        break;
      default:
        damaged = Buffer.concat([
          damaged.subarray(0, at),
          random.bytes(length),
          damaged.subarray(at),
        ]);
    }
  }
  return damaged;
}

/** Cuts bytes into pieces: whole, in halves, or byte by byte. */
export function cut(random: Random, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  const most = random.pick([bytes.length + 1, bytes.length + 1, 40, 3, 1]);
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + random.below(most));
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}
