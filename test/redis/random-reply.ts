import { Buffer } from 'node:buffer';
import * as fc from 'fast-check';

/** A reply on the wire. */
export type Wire = Buffer;

const CRLF = '\r\n';
const line = (type: string, text: string): Wire => Buffer.from(`${type}${text}${CRLF}`);

function bulk(type: string, payload: Uint8Array): Wire {
  return Buffer.concat([line(type, String(payload.length)), payload, Buffer.from(CRLF)]);
}

/** Bytes that like to look like protocol. */
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .array(fc.constantFrom('\r\n', '$-1\r\n', '*2\r\n', '_\r\n', '$3', '\r', '\n', 'x'), {
      maxLength: 6,
    })
    .map((parts) => Buffer.from(parts.join(''))),
  fc.uint8Array({ minLength: 200, maxLength: 1_500 }),
);
const text = fc.string({ maxLength: 30 }).map((s) => s.replaceAll(/[\r\n]/g, ' '));

/** Replies that Redis may give, of both protocols; `withPush` adds pushes, which only stand between replies. */
export function randomReply(): fc.Arbitrary<Wire> {
  const { reply } = fc.letrec<{ reply: Wire; leaf: Wire; aggregate: Wire }>((tie) => ({
    reply: fc.oneof({ depthSize: 'small', withCrossShrink: true }, tie('leaf'), tie('aggregate')),
    leaf: fc.oneof(
      text.map((s) => line('+', s)),
      text.map((s) => line('-', `ERR ${s}`)),
      fc.maxSafeInteger().map((n) => line(':', String(n))),
      fc.bigInt().map((n) => line('(', String(n))),
      payload.map((bytes) => bulk('$', bytes)),
      payload.map((bytes) => bulk('=', Buffer.concat([Buffer.from('txt:'), bytes]))),
      text.map((s) => bulk('!', Buffer.from(`ERR ${s}`))),
      fc
        .constantFrom(
          '$-1',
          '*-1',
          '_',
          '#t',
          '#f',
          ',inf',
          ',-inf',
          ',1.5',
          ',-3e-7',
          '$0\r\n',
          '*0',
          '%0',
          '~0',
        )
        .map((s) => Buffer.from(s + CRLF)),
    ),
    aggregate: fc.oneof(
      fc.array(tie('reply'), { maxLength: 5 }).map((items) => aggregate('*', items.length, items)),
      fc.array(tie('reply'), { maxLength: 5 }).map((items) => aggregate('~', items.length, items)),
      fc
        .array(fc.tuple(tie('reply'), tie('reply')), { maxLength: 4 })
        .map((pairs) => aggregate('%', pairs.length, pairs.flat())),
    ),
  }));
  return reply;
}

function aggregate(type: string, count: number, items: readonly Wire[]): Wire {
  return Buffer.concat([line(type, String(count)), ...items]);
}

/** The same with something wrong in it: bytes changed, taken out, put in, or cut off. */
export function damaged(wire: fc.Arbitrary<Wire>): fc.Arbitrary<Wire> {
  const change = fc.record({
    at: fc.double({ min: 0, max: 0.999, noNaN: true }),
    take: fc.nat(3),
    put: fc.oneof(
      fc.uint8Array({ maxLength: 3 }),
      fc
        .constantFrom('\r', '\n', '-', '9', '$', '*', '%', '|', '999999999999')
        .map((s) => Buffer.from(s)),
    ),
  });
  return fc.tuple(wire, fc.array(change, { minLength: 1, maxLength: 3 })).map(([bytes, changes]) =>
    changes.reduce((before, { at, take, put }) => {
      const place = Math.floor(at * before.length);
      return Buffer.concat([before.subarray(0, place), put, before.subarray(place + take)]);
    }, bytes),
  );
}

/** Ascending places to cut so many bytes at, as a socket might. */
export function randomCuts(length: number, seeds: readonly number[]): number[] {
  return [...new Set(seeds.map((seed) => 1 + Math.floor(seed * Math.max(length - 1, 0))))]
    .filter((cut) => cut < length)
    .sort((a, b) => a - b);
}

/** Runs of a property: few by default, as many as `REDIS_FUZZ_RUNS` says. */
export function fuzzRuns(usual: number): { readonly numRuns: number } {
  return { numRuns: Number(process.env['REDIS_FUZZ_RUNS'] ?? usual) };
}
