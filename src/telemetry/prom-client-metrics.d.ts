/** The parts of `collectDefaultMetrics`, which prom-client has in a file each and does not declare. */
declare module 'prom-client/lib/metrics/*.js' {
  import type { Registry } from 'prom-client';

  export default function add(
    registry: Registry,
    config?: { readonly eventLoopMonitoringPrecision: number },
  ): void;
}
