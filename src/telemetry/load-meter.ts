import { totalmem } from 'node:os';
import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import type { LoadFigures } from '../grpc/load-reports.ts';

/** Shorter times say more of one request than of the load. */
const SAMPLE_MS = 500;

/** Answers since the start; counted by the call observer. */
export interface AnswerCounts {
  answeredCount: number;
  /** Of these, those that failed by the server's doing. */
  failedCount: number;
}

/**
 * How busy this process is. Nothing runs beside the requests: figures are taken when somebody asks and the last ones are
 * older than half a second.
 */
export function createLoadMeter(counts: AnswerCounts): (nowMs: number) => LoadFigures {
  const memoryBytes = Math.min(process.constrainedMemory() || Infinity, totalmem());
  let loop: EventLoopUtilization = performance.eventLoopUtilization();
  let cpu = process.cpuUsage();
  let answered = counts.answeredCount;
  let failed = counts.failedCount;
  let takenAtMs = performance.now();
  let figures = {
    applicationUtilization: 0,
    cpuUtilization: 0,
    memoryUtilization: process.memoryUsage.rss() / memoryBytes,
    requestsPerSecond: 0,
    errorsPerSecond: 0,
  };

  return (nowMs) => {
    const elapsedMs = nowMs - takenAtMs;
    if (elapsedMs < SAMPLE_MS) return figures;
    takenAtMs = nowMs;
    const loopNow = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(loopNow, loop);
    loop = loopNow;
    const used = process.cpuUsage(cpu);
    cpu = process.cpuUsage();
    const perSecond = (count: number): number => (count * 1000) / elapsedMs;
    figures = {
      applicationUtilization: utilization,
      cpuUtilization: (used.user + used.system) / (elapsedMs * 1000),
      memoryUtilization: process.memoryUsage.rss() / memoryBytes,
      requestsPerSecond: perSecond(counts.answeredCount - answered),
      errorsPerSecond: perSecond(counts.failedCount - failed),
    };
    answered = counts.answeredCount;
    failed = counts.failedCount;
    return figures;
  };
}
