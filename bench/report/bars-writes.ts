import type { Bar } from './bar.ts';
import { figure } from './markdown.ts';
import type { Parts } from './results.ts';

/** The most rows per second of one way to write. */
function rateOf(writes: Parts['writes'], way: string, rowsPerRequest?: number): number {
  const rates = writes
    .filter((each) => each.way === way)
    .filter((each) => rowsPerRequest === undefined || each.rowsPerRequest === rowsPerRequest)
    .map(({ rowsPerSecond }) => rowsPerSecond.median);
  return rates.length === 0 ? Number.NaN : Math.max(...rates);
}

function streamBar(other: string, way: string, least: number): Bar {
  return {
    bar: `a stream writes at least ${least} times the rows of ${other}, a row each`,
    part: 'writes',
    judge: ({ writes }) => {
      if (writes === undefined) return undefined;
      const [stream, single] = [rateOf(writes, 'sideboard stream'), rateOf(writes, way, 1)];
      const measured = `${figure(stream / single)} times: ${figure(stream)} and ${figure(single)} rows/s`;
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
      const times = materialize.map(
        ({ store, feast, sideboard }) =>
          [store, feast.jobSeconds.median / sideboard.jobSeconds.median] as const,
      );
      const measured = times.map(([store, by]) => `${store} ${figure(by)} times`).join(', ');
      return { measured, isMet: times.every(([, by]) => by >= 20) };
    },
  },
];
