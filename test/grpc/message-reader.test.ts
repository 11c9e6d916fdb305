import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FRAME_HEADROOM } from '../../src/grpc/grpc-service.ts';
import { createMessageReader, frameMessage, wholeMessage } from '../../src/grpc/message-reader.ts';
import { GrpcCode, GrpcStatusError } from '../../src/grpc/status.ts';

const LIMIT = 1000;

function framed(message: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(FRAME_HEADROOM + message.length);
  bytes.set(message, FRAME_HEADROOM);
  return frameMessage(bytes, false);
}

function codeOf(act: () => unknown): number | undefined {
  try {
    act();
  } catch (error) {
    if (error instanceof GrpcStatusError) return error.code;
    throw error;
  }
  return undefined;
}

describe('createMessageReader', () => {
  it('gives back the messages however the body is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }),
        fc.array(fc.nat({ max: 300 }), { maxLength: 12 }),
        (messages, cuts) => {
          const body = Buffer.concat(messages.map(framed));
          const places = [0, ...cuts.map((cut) => Math.min(cut, body.length)), body.length].sort(
            (a, b) => a - b,
          );
          const reader = createMessageReader('identity', LIMIT);
          const read: Uint8Array[] = [];
          places.slice(1).forEach((end, i) => {
            reader.push(body.subarray(places[i], end));
            for (let next = reader.next(); next !== undefined; next = reader.next())
              read.push(next);
          });
          expect(read.map((each) => Buffer.from(each))).toEqual(
            messages.map((each) => Buffer.from(each)),
          );
          expect(reader.isMidMessage).toBe(false);
        },
      ),
    );
  });

  it('does not copy a message that came in one piece', () => {
    const body = framed(Buffer.from('abc'));
    const reader = createMessageReader('identity', LIMIT);
    reader.push(body);
    expect(reader.next()?.buffer).toBe(body.buffer);
  });

  it('takes no longer for each message where very many wait', () => {
    const reader = createMessageReader('identity', LIMIT);
    const body = framed(Buffer.from('abc'));
    const count = 400_000;
    for (let i = 0; i < count; i++) reader.push(body);
    let read = 0;
    while (reader.next() !== undefined) read++;
    expect([read, reader.pieceCount, reader.waitingBytes]).toEqual([count, 0, 0]);
  });

  it('refuses a message over the limit as soon as its length is known', () => {
    const reader = createMessageReader('identity', LIMIT);
    reader.push(Buffer.from([0, 0, 0, 0x03, 0xe9]));
    expect(codeOf(() => reader.next())).toBe(GrpcCode.RESOURCE_EXHAUSTED);
  });

  it('takes a message of exactly the limit', () => {
    const reader = createMessageReader('identity', LIMIT);
    reader.push(framed(Buffer.alloc(LIMIT)));
    expect(reader.next()).toHaveLength(LIMIT);
  });

  it('refuses a flag byte that is neither 0 nor 1', () => {
    const reader = createMessageReader('identity', LIMIT);
    reader.push(Buffer.from([2, 0, 0, 0, 0]));
    expect(codeOf(() => reader.next())).toBe(GrpcCode.INTERNAL);
  });

  it('decompresses gzip, and refuses what grows beyond the limit, is not gzip, or was not announced', () => {
    const compressed = (message: Uint8Array): Uint8Array => {
      const bytes = framed(message);
      bytes[0] = 1;
      return bytes;
    };
    const read = (encoding: string, body: Uint8Array): Uint8Array | undefined => {
      const reader = createMessageReader(encoding, LIMIT);
      reader.push(body);
      return reader.next();
    };
    expect(Buffer.from(read('gzip', compressed(gzipSync('hello')))!).toString()).toBe('hello');
    expect(codeOf(() => read('gzip', compressed(gzipSync(Buffer.alloc(LIMIT + 1)))))).toBe(
      GrpcCode.RESOURCE_EXHAUSTED,
    );
    expect(codeOf(() => read('gzip', compressed(Buffer.from('no'))))).toBe(GrpcCode.INTERNAL);
    expect(codeOf(() => read('identity', compressed(gzipSync('hello'))))).toBe(GrpcCode.INTERNAL);
  });
});

describe('frameMessage', () => {
  it('compresses only what is worth it', () => {
    const small = Buffer.alloc(FRAME_HEADROOM + 100);
    const large = Buffer.alloc(FRAME_HEADROOM + 100_000);
    expect(frameMessage(small, true)[0]).toBe(0);
    const packed = frameMessage(large, true);
    expect(packed[0]).toBe(1);
    expect(packed.length).toBeLessThan(1000);
    expect(Buffer.from(packed).readUInt32BE(1)).toBe(packed.length - FRAME_HEADROOM);
  });
});

describe('wholeMessage', () => {
  it('takes a body that is one plain message, and leaves the rest to the reader', () => {
    const body = framed(Buffer.from('abc'));
    expect(Buffer.from(wholeMessage(body, LIMIT)!)).toEqual(Buffer.from('abc'));
    expect(wholeMessage(framed(Buffer.alloc(0)), LIMIT)).toHaveLength(0);
    expect(wholeMessage(body.subarray(0, 7), LIMIT)).toBeUndefined();
    expect(wholeMessage(body.subarray(0, 4), LIMIT)).toBeUndefined();
    expect(wholeMessage(Buffer.concat([body, body]), LIMIT)).toBeUndefined();
    expect(wholeMessage(body, 2)).toBeUndefined();
    expect(wholeMessage(Buffer.from([1, 0, 0, 0, 0]), LIMIT)).toBeUndefined();
  });
});
