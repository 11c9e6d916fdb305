import { Counter, type CounterConfiguration } from 'prom-client';

/** How often something has happened, as a plain number: a child of prom-client's looks up its labels at every turn. */
export interface Tally {
  count: number;
}

/** Makes the tallies of one counter; those of the same label values are one. Meant to be kept: it looks them up. */
export type TallyOf = (...labelValues: readonly string[]) => Tally;

/** Registers a counter that is told about its tallies when metrics are collected. */
export function createTallyCounter<T extends string>(config: CounterConfiguration<T>): TallyOf {
  const tallies = new Map<string, Tally & { readonly labelValues: readonly string[] }>();
  const counter: Counter<T> = new Counter<T>({
    ...config,
    collect: (): void => {
      counter.reset();
      for (const { labelValues, count } of tallies.values()) {
        // As with prom-client's own, there is nothing to be seen of what never happened.
        if (count > 0) counter.labels(...labelValues).inc(count);
      }
    },
  });
  return (...labelValues) => {
    const key = JSON.stringify(labelValues);
    const tally = tallies.get(key) ?? { labelValues, count: 0 };
    tallies.set(key, tally);
    return tally;
  };
}
