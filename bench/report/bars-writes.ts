import type { Bar } from './bar.ts';
import { figure } from './markdown.ts';
import type { Parts } from './results.ts';
import type { Spread } from './spread.ts';

/** The most rows per second of one way to write. */
function rateOf(
  writes: Parts['writes'],
  way: string,
  { rowsPerRequest, concurrency }: { rowsPerRequest?: number; concurrency?: number } = {},
): number {
  const rates = writes
    .filter((each) => each.way === way)
    .filter((each) => rowsPerRequest === undefined || each.rowsPerRequest === rowsPerRequest)
    .filter((each) => concurrency === undefined || each.concurrency === concurrency)
    .map(({ rowsPerSecond }) => rowsPerSecond.median);
  return rates.length === 0 ? Number.NaN : Math.max(...rates);
}

function streamBar(other: string, way: string, least: number): Bar {
  return {
    bar: `a stream writes at least ${least} times the rows of ${other}, a row each`,
    part: 'writes',
    judge: ({ writes }) => {
      if (writes === undefined) return undefined;
      const stream = rateOf(writes, 'sideboard stream');
      const single = rateOf(writes, way, { rowsPerRequest: 1 });
      const inTurn = rateOf(writes, way, { rowsPerRequest: 1, concurrency: 1 });
      const measured = `${figure(stream / single)} times: ${figure(stream)} and ${figure(single)} rows/s; of one after another ${figure(stream / inTurn)} times`;
      return { measured, isMet: stream >= least * single };
    },
  };
}

/** What writing costs beside Feast. */
export const WRITE_BARS: readonly Bar[] = [
  streamBar('our unary pushes', 'sideboard push', 20),
  streamBar('`feast serve`’s `/push`', 'feast-py-http push', 50),
  {
    bar: 'materialize: at least 20 times Feast’s SDK, into SQLite, Redis and a cluster',
    part: 'materialize',
    judge: ({ materialize }) => {
      if (materialize === undefined) return undefined;
      const measured = materialize.map(({ store, feast, sideboard, storeSeconds }) => {
        const times = (ours: Spread): string =>
          `${figure(feast.jobSeconds.median / ours.median)} times`;
        const alone =
          storeSeconds === undefined
            ? ''
            : ` (${store} alone, copying rows: ${times(storeSeconds)})`;
        return `${store} ${times(sideboard.jobSeconds)}${alone}`;
      });
      const isMet = materialize.every(
        ({ feast, sideboard }) => feast.jobSeconds.median >= 20 * sideboard.jobSeconds.median,
      );
      return { measured: measured.join(', '), isMet };
    },
  },
];
