import { expect, test } from 'vitest';
import { parseB3 } from '../../src/telemetry/b3.ts';

const TRACE = '463ac35c9f6413ad48485a3953bb6124';
const SPAN = 'a2fb4a1d1a96d312';
const SHORT = '48485a3953bb6124';
const MANY = { 'x-b3-traceid': TRACE, 'x-b3-spanid': SPAN };

const parse = (headers: Readonly<Record<string, string>>) => parseB3((name) => headers[name]);

test.each([
  [{ b3: `${TRACE}-${SPAN}-1` }, true],
  [{ b3: `${TRACE}-${SPAN}-d` }, true],
  [{ b3: `${TRACE}-${SPAN}-0` }, false],
  [{ b3: `${TRACE}-${SPAN}` }, undefined],
  [{ b3: `${TRACE.toUpperCase()}-${SPAN}-1-05e3ac9a4f6e3b90` }, true],
  [{ ...MANY, 'x-b3-sampled': '1', 'x-b3-parentspanid': '05e3ac9a4f6e3b90' }, true],
  [{ ...MANY, 'x-b3-sampled': 'true' }, true],
  [{ ...MANY, 'x-b3-sampled': '0' }, false],
  [{ ...MANY, 'x-b3-sampled': '0', 'x-b3-flags': '1' }, true],
  [MANY, undefined],
  [{ ...MANY, b3: `${TRACE}-${SPAN}-0`, 'x-b3-sampled': '1' }, false],
])('%j is a place in a trace', (headers, isSampled) => {
  expect(parse(headers)).toEqual({ traceId: TRACE, spanId: SPAN, isSampled });
});

test('a trace id of 64 bits is filled up with zeros', () => {
  const traceId = SHORT.padStart(32, '0');
  expect(parse({ b3: `${SHORT}-${SPAN}-1` })).toMatchObject({ traceId });
  expect(parse({ ...MANY, 'x-b3-traceid': SHORT })).toMatchObject({ traceId });
});

test.each([
  [{}],
  [{ b3: '0' }],
  [{ b3: `${TRACE}-${SPAN}-2` }],
  [{ b3: `${TRACE.slice(1)}-${SPAN}-1` }],
  [{ b3: `${'0'.repeat(32)}-${SPAN}-1` }],
  [{ 'x-b3-traceid': TRACE }],
  [{ ...MANY, 'x-b3-spanid': '0'.repeat(16) }],
  [{ ...MANY, 'x-b3-traceid': `${TRACE}0` }],
])('%j is none', (headers) => {
  expect(parse(headers)).toBeUndefined();
});
