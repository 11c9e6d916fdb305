import { Histogram, type HistogramConfiguration } from 'prom-client';

declare module 'prom-client' {
  /** What both its text and its JSON are made of; its types leave it out. */
  interface Histogram<T extends string = string> {
    getForPromString(): Promise<MetricObjectWithValues<MetricValueWithName<T>>>;
  }
}

/** Observations of one set of label values, as plain numbers: prom-client's looks up its labels at every turn. */
export class HistogramTally {
  /** Upper bounds, rising. */
  readonly #bounds: readonly number[];
  /** Observations by the first bound that they are not above; the last is for those above all. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++;
    this.counts[bucket]! += 1;
    this.sum += value;
  }
}

/** A histogram of tallies, which are read when metrics are collected. */
export class TallyHistogram<T extends string> extends Histogram<T> {
  readonly #name: string;
  readonly #labelNames: readonly T[];
  readonly #bounds: readonly number[];
  readonly #tallies = new Map<string, [labelValues: readonly string[], tally: HistogramTally]>();

  constructor(config: HistogramConfiguration<T> & { readonly buckets: number[] }) {
    super(config);
    this.#name = config.name;
    this.#labelNames = config.labelNames ?? [];
    this.#bounds = config.buckets;
    if (this.#labelNames.length === 0) this.tallyOf();
  }

  /** Those of the same label values are one. Meant to be kept: it looks them up. */
  tallyOf(...labelValues: readonly string[]): HistogramTally {
    const key = JSON.stringify(labelValues);
    const [, tally] = this.#tallies.get(key) ?? [labelValues, new HistogramTally(this.#bounds)];
    this.#tallies.set(key, [labelValues, tally]);
    return tally;
  }

  override get(): ReturnType<Histogram<T>['get']> {
    return this.getForPromString();
  }

  override async getForPromString(): ReturnType<Histogram<T>['getForPromString']> {
    const metric = await super.getForPromString();
    return {
      ...metric,
      values: [...this.#tallies.values()].flatMap((each) => this.#samples(each)),
    };
  }

  #samples([labelValues, { counts, sum }]: [readonly string[], HistogramTally]): Sample<T>[] {
    const labels = Object.fromEntries(
      this.#labelNames.map((name, i) => [name, labelValues[i]!]),
    ) as Partial<Record<T, string>>;
    const samples: Sample<T>[] = [];
    let count = 0;
    for (const [bucket, le] of [...this.#bounds, '+Inf'].entries()) {
      count += counts[bucket]!;
      samples.push({ metricName: `${this.#name}_bucket`, value: count, labels: { le, ...labels } });
    }
    samples.push({ metricName: `${this.#name}_sum`, value: sum, labels });
    samples.push({ metricName: `${this.#name}_count`, value: count, labels });
    return samples;
  }
}

type Sample<T extends string> = Awaited<
  ReturnType<Histogram<T>['getForPromString']>
>['values'][number];
