import { expect, it } from 'vitest';
import type { FrameMoment } from '../../src/ingestion/frame-moment.ts';
import { readMoment } from '../../src/ingestion/materialization-window.ts';
import { readUsualMoment } from '../../src/ingestion/usual-moment.ts';
import { createRandom } from '../support/random.ts';

/** In nanoseconds since the epoch; `undefined` = it is spelled in another way. */
function usual(text: string): bigint | undefined {
  const moment: FrameMoment = { seconds: 0, nanos: 0 };
  return readUsualMoment(text, moment)
    ? BigInt(moment.seconds) * 1_000_000_000n + BigInt(moment.nanos)
    : undefined;
}

it('is read as all others are', () => {
  const random = createRandom(7);
  const two = (limit: number): string => String(random.below(limit)).padStart(2, '0');
  let read = 0;
  for (let i = 0; i < 20_000; i++) {
    const year = String(random.pick([1969, 1970, 2024, 2025, 1, 99, 1900, 9999, 0])).padStart(
      4,
      '0',
    );
    const day = `${year}-${two(14)}-${two(33)}`;
    const clock = `${two(25)}:${two(61)}:${two(61)}`;
    const fraction = random.below(2) === 0 ? '' : `.${'0123456789'.slice(random.below(10))}`;
    const text = `${day}${random.pick(['T', ' ', 't', ''])}${clock}${fraction}${random.pick(['Z', '', '+02:00', ' Z', 'z'])}`;
    const moment = usual(text);
    if (moment === undefined) continue;
    read++;
    expect(moment, text).toBe(readMoment(text));
  }
  expect(read).toBeGreaterThan(2000);
});

it.each(['2025-01-01T00:00:00', '2025-12-31T23:59:59.999999999Z', '1969-12-31 23:59:59.000001'])(
  'is %s',
  (text) => {
    expect(usual(text)).toBe(readMoment(text));
  },
);

it.each([
  '2025-01-01',
  '2025-02-29T00:00:00',
  '2025-01-01T24:00:00',
  '2025-01-01T00:00',
  'NaT',
  '',
])('is not %j', (text) => {
  expect(usual(text)).toBeUndefined();
});
