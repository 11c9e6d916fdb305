import { describe, expect, it } from 'vitest';
import { createBuiltinEngine } from '../../src/http2/builtin-engine.ts';
import { createEngine } from '../../src/http2/engine.ts';
import { HpackDecoder } from '../../src/http2/hpack-decoder.ts';
import type { HeaderField } from '../../src/http2/http2-engine.ts';
import { CORPUS } from './corpus.ts';
import { cutAfterFrames, observe } from './observe-engine.ts';
import { randomConnection } from './random-frames.ts';
import { countFromEnvironment, Random } from './random.ts';

/** `HTTP2_DIFFERENTIAL_RUNS` connections, from `HTTP2_DIFFERENTIAL_SEED` on. */
const RUNS = countFromEnvironment('HTTP2_DIFFERENTIAL_RUNS', 1000);
const SEED = countFromEnvironment('HTTP2_DIFFERENTIAL_SEED', 1);

const [DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, , PING, GOAWAY, WINDOW_UPDATE] = Array.from(
  { length: 10 },
  (_, type) => type,
) as [number, number, number, number, number, number, number, number, number];

const typeOf = (frame: Buffer): number => frame[3]!;
const flagsOf = (frame: Buffer): number => frame[4]!;
const streamOf = (frame: Buffer): number => frame.readUInt32BE(5) & 0x7fffffff;

/**
 * Where the two engines may do different things with the same frames, each with the reason. Whatever is not among them has
 * to be the same.
 */
const EXPLANATIONS: readonly {
  readonly reason: string;
  readonly explains: (frames: readonly Buffer[]) => boolean;
}[] = [
  {
    reason:
      'An answer to a ping that was not sent: RFC 9113 section 6.7 does not forbid it. Node ends the connection, we count it.',
    explains: (frames) => frames.some((each) => typeOf(each) === PING && (flagsOf(each) & 1) === 1),
  },
  {
    reason:
      'GOAWAY of a client with the number of a stream that no server opened, as grpc-go sends it: Node ends the connection.',
    explains: (frames) => frames.some((each) => typeOf(each) === GOAWAY),
  },
  {
    reason:
      'HEADERS for a stream that was skipped or is closed: a connection error by RFC 9113 section 5.1.1, which Node ignores.',
    explains: opensAgain,
  },
  {
    reason:
      'DATA and others for a stream that was skipped: we answer with STREAM_CLOSED (RFC 9113 section 5.1), Node with nothing.',
    explains: (frames) => {
      const opened = new Set(frames.filter((each) => typeOf(each) === HEADERS).map(streamOf));
      const highest = Math.max(0, ...opened);
      return frames.some(
        (each) =>
          [DATA, RST_STREAM, WINDOW_UPDATE].includes(typeOf(each)) &&
          streamOf(each) < highest &&
          !opened.has(streamOf(each)),
      );
    },
  },
  {
    reason:
      'PRIORITY without a stream: a connection error by RFC 9113 section 6.3. Node ignores it.',
    explains: (frames) => frames.some((each) => typeOf(each) === PRIORITY && streamOf(each) === 0),
  },
  {
    reason:
      'PRIORITY of a wrong size: an error of its stream by RFC 9113 section 6.3, of the connection to Node.',
    explains: (frames) => frames.some((each) => typeOf(each) === PRIORITY && each.length !== 14),
  },
  {
    reason:
      'A setting out of range, and the same again in the frame: an error by RFC 9113 section 6.5. Node looks at the last one.',
    explains: (frames) => frames.some(repeatsSetting),
  },
  {
    reason:
      'A name that is no word and a value with a line break or a space at an end make a request malformed (RFC 9113 section 8.2.1). So does a host that is none. Node drops the field.',
    explains: hasBadField,
  },
  {
    reason:
      'A stream that its client resets without an error: to Node its request is complete, to us it is gone.',
    explains: (frames) =>
      frames.some(
        (each) => typeOf(each) === RST_STREAM && each.length === 13 && each.readUInt32BE(9) === 0,
      ),
  },
  {
    reason:
      'A window of a stream that grows by nothing or too far: an error of the stream by RFC 9113 section 6.9, of the connection to Node.',
    explains: (frames) =>
      frames.some((each) => {
        if (typeOf(each) !== WINDOW_UPDATE || each.length !== 13 || streamOf(each) === 0)
          return false;
        const increment = each.readUInt32BE(9) & 0x7fffffff;
        return increment === 0 || increment > 2 ** 30;
      }),
  },
  {
    reason: 'A second acknowledgement of SETTINGS: Node ends the connection, we count it.',
    explains: (frames) =>
      frames.filter((each) => typeOf(each) === SETTINGS && (flagsOf(each) & 1) === 1).length > 1,
  },
  {
    reason:
      'A stream that depends on itself: an error by RFC 7540 section 5.3.1, which RFC 9113 no longer has.',
    explains: (frames) =>
      frames.some(
        (each) =>
          typeOf(each) === PRIORITY &&
          each.length === 14 &&
          (each.readUInt32BE(9) & 0x7fffffff) === streamOf(each),
      ),
  },
  {
    reason: 'A field that should be there once: Node drops the second, we keep both.',
    explains: (frames) => fieldsOf(frames).some(repeatsField),
  },
  {
    reason:
      'DATA after the end of a request that is not answered yet: STREAM_CLOSED by RFC 9113 section 5.1. Node ignores it.',
    explains: (frames) => {
      const ended = new Set<number>();
      return frames.some((each) => {
        if (typeOf(each) === DATA && ended.has(streamOf(each))) return true;
        if (typeOf(each) <= HEADERS && (flagsOf(each) & 1) === 1) ended.add(streamOf(each));
        return false;
      });
    },
  },
  {
    reason: 'A request for no authority: to us it is complete without, Node resets it.',
    explains: (frames) =>
      fieldsOf(frames).some((fields) =>
        fields.every(({ name }) => name !== ':authority' && name !== 'host'),
      ),
  },
  {
    reason:
      'Padding longer than its frame is an error of the connection (RFC 9113 section 6.1), for a closed stream too. Not so to Node.',
    explains: (frames) =>
      frames.some(
        (each) => typeOf(each) === DATA && (flagsOf(each) & 8) !== 0 && each[9]! >= each.length - 9,
      ),
  },
  {
    reason:
      'SETTINGS_NO_RFC7540_PRIORITIES (RFC 9218): Node checks it. And it ends no empty response in a window of nothing.',
    explains: (frames) => frames.some((each) => hasSetting(each, 9) || hasSetting(each, 4, 0)),
  },
  {
    reason: 'A header block in pieces: Node looks at each as it comes, we at the whole.',
    explains: (frames) =>
      frames.some((each) => typeOf(each) === HEADERS && (flagsOf(each) & 4) === 0),
  },
];

function hasSetting(frame: Buffer, id: number, value?: number): boolean {
  if (typeOf(frame) !== SETTINGS) return false;
  for (let at = 9; at + 6 <= frame.length; at += 6) {
    const isIt = value === undefined || frame.readUInt32BE(at + 2) === value;
    if (frame.readUInt16BE(at) === id && isIt) return true;
  }
  return false;
}

function repeatsSetting(settings: Buffer): boolean {
  if (typeOf(settings) !== SETTINGS) return false;
  const ids = Array.from({ length: Math.floor((settings.length - 9) / 6) }, (_, i) =>
    settings.readUInt16BE(9 + 6 * i),
  );
  return new Set(ids).size < ids.length;
}

function opensAgain(frames: readonly Buffer[]): boolean {
  let highest = 0;
  return frames.some((each) => {
    if (typeOf(each) !== HEADERS) return false;
    const isAgain = streamOf(each) <= highest;
    highest = Math.max(highest, streamOf(each));
    return isAgain;
  });
}

const TOKEN = /^:?[!#$%&'*+.^_`|~0-9a-z-]+$/;
const VALUE = /^(?![ \t])[\t\x20-\x7e\x80-\xff]*(?<![ \t])$/;

function hasBadField(frames: readonly Buffer[]): boolean {
  return fieldsOf(frames).some((fields) =>
    fields.some(
      ({ name, value }) =>
        !TOKEN.test(name) || !VALUE.test(value) || (name === 'host' && /[^\w.:-]/.test(value)),
    ),
  );
}

function repeatsField(fields: readonly HeaderField[]): boolean {
  const names = fields.map(({ name }) => name);
  return new Set(names).size < names.length;
}

/** The fields of the header blocks, as far as they are whole and can be decoded. */
function fieldsOf(frames: readonly Buffer[]): (readonly HeaderField[])[] {
  const decoder = new HpackDecoder();
  const lists: (readonly HeaderField[])[] = [];
  for (const each of frames) {
    if (typeOf(each) !== HEADERS) continue;
    const isPadded = (flagsOf(each) & 8) !== 0;
    const start = 9 + (isPadded ? 1 : 0) + ((flagsOf(each) & 0x20) === 0 ? 0 : 5);
    try {
      decoder.decode(each, start, each.length - (isPadded ? each[9]! : 0), 65_536);
    } catch {
      break;
    }
    lists.push(decoder.fields);
  }
  return lists;
}

async function compare(bytes: Buffer): Promise<boolean> {
  const pieces = cutAfterFrames(bytes);
  const ours = await observe(createEngine, pieces);
  const theirs = await observe(createBuiltinEngine, pieces);
  if (JSON.stringify(ours) === JSON.stringify(theirs)) return true;
  const frames = pieces.slice(1);
  if (!EXPLANATIONS.some(({ explains }) => explains(frames))) expect(ours).toEqual(theirs);
  return false;
}

describe('our engine and that of Node, fed the same frames, are seen to do the same', () => {
  it.each(CORPUS)('with what $name sent', async ({ bytes }) => {
    await compare(bytes);
  });

  it('with random and damaged frames', { timeout: 60_000 + 20 * RUNS }, async () => {
    let sameCount = 0;
    for (let seed = SEED; seed < SEED + RUNS; seed++) {
      try {
        if (await compare(randomConnection(new Random(seed)))) sameCount += 1;
      } catch (error) {
        throw new Error(`HTTP2_DIFFERENTIAL_SEED=${seed} HTTP2_DIFFERENTIAL_RUNS=1 shows it`, {
          cause: error,
        });
      }
    }
    // What is explained is the exception.
    expect(sameCount).toBeGreaterThanOrEqual(0.8 * RUNS);
  });
});
