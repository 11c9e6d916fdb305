import { Counter, Gauge, type Registry } from 'prom-client';
import type { OnlineStore, StoreFigure } from '../online-store/online-store.ts';

const PREFIX = 'feature_server_';

/** Exposes what a store counts and measures by itself, looked up when metrics are collected. */
export function exposeStoreFigures(registry: Registry, store: OnlineStore): void {
  for (const { name, help, kind, combine = 'sum' } of store.figures?.() ?? []) {
    const samples = (): StoreFigure['samples'] =>
      store.figures?.().find((figure) => figure.name === name)?.samples ?? [];
    const options = {
      name: PREFIX + name,
      help,
      labelNames: LABELS,
      registers: [registry],
    };
    if (kind === 'counter') {
      const counter: Counter = new Counter({
        ...options,
        collect: (): void => {
          counter.reset();
          for (const { labels, value } of samples()) counter.inc(labels, value);
        },
      });
    } else {
      const gauge: Gauge = new Gauge({
        ...options,
        aggregator: combine,
        collect: (): void => {
          gauge.reset();
          for (const { labels, value } of samples()) gauge.set(labels, value);
        },
      });
    }
  }
}

/** All labels that figures may have. */
const LABELS = ['views', 'fields', 'shape', 'kind', 'node'];
