import type { Registry } from 'prom-client';
import addEventLoopLag from 'prom-client/lib/metrics/eventLoopLag.js';
import addHeapSizeAndUsed from 'prom-client/lib/metrics/heapSizeAndUsed.js';
import addHeapSpacesSizeAndUsed from 'prom-client/lib/metrics/heapSpacesSizeAndUsed.js';
import addOsMemoryHeap from 'prom-client/lib/metrics/osMemoryHeap.js';
import addProcessCpuTotal from 'prom-client/lib/metrics/processCpuTotal.js';
import addProcessHandles from 'prom-client/lib/metrics/processHandles.js';
import addProcessMaxFileDescriptors from 'prom-client/lib/metrics/processMaxFileDescriptors.js';
import addProcessOpenFileDescriptors from 'prom-client/lib/metrics/processOpenFileDescriptors.js';
import addProcessRequests from 'prom-client/lib/metrics/processRequests.js';
import addProcessResources from 'prom-client/lib/metrics/processResources.js';
import addProcessStartTime from 'prom-client/lib/metrics/processStartTime.js';
import addVersion from 'prom-client/lib/metrics/version.js';

/** How often the delay of the event loop is measured, milliseconds. */
const EVENT_LOOP_PRECISION = 10;

const ADDED = [
  addEventLoopLag,
  addHeapSizeAndUsed,
  addHeapSpacesSizeAndUsed,
  addOsMemoryHeap,
  addProcessCpuTotal,
  addProcessHandles,
  addProcessMaxFileDescriptors,
  addProcessOpenFileDescriptors,
  addProcessRequests,
  addProcessResources,
  addProcessStartTime,
  addVersion,
];

/**
 * The metrics of the process that prom-client collects by default, without its histogram of garbage collections. That one
 * observes them as `PerformanceEntry`s, and Node gives each of these four deprecated accessors with a hidden class of
 * their own: 4 kB for each collection that stay in the old generation until V8 next collects it whole.
 */
export function addProcessMetrics(registry: Registry): void {
  const config = { eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION };
  for (const add of ADDED) add(registry, config);
}
