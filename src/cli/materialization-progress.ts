import { SingleBar } from 'cli-progress';
import type { IngestionProgress } from '../ingestion/ingest-view.ts';

/** Time between two lines where there is no terminal to draw a bar on. */
const LINE_INTERVAL_MS = 5000;

/** Shows how far a materialization is. */
export interface ProgressDisplay {
  readonly update: (progress: IngestionProgress) => void;
  /** Ends the bar of the last view. */
  readonly stop: () => void;
}

/**
 * One bar per feature view on a terminal (entities, rate, remaining time), a line every few seconds otherwise, both on
 * standard error so that standard output holds the result alone.
 */
export function createProgressDisplay(
  stream: NodeJS.WriteStream = process.stderr,
): ProgressDisplay {
  return stream.isTTY ? createBars(stream) : createLines(stream);
}

/** `1234567` -> `1,234,567`. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

function createBars(stream: NodeJS.WriteStream): ProgressDisplay {
  let bar: SingleBar | undefined;
  let startedAtMs = 0;
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
  };
  return {
    update(progress) {
      if (progress.phase === 'reading') {
        stop();
        stream.write(`${progress.viewName}: reading its source\r`);
        return;
      }
      if (bar === undefined) {
        startedAtMs = performance.now();
        bar = new SingleBar({
          stream,
          format: `${progress.viewName} [{bar}] {percentage}% | {value}/{total} entities | {rate}/s | {eta_formatted} left`,
          formatValue: (value, _options, type) =>
            type === 'value' || type === 'total' ? formatCount(value) : String(value),
          barsize: 28,
          etaBuffer: 50,
        });
        bar.start(progress.entityCount, progress.doneCount, { rate: '0' });
      }
      bar.update(progress.doneCount, { rate: formatCount(rate(progress, startedAtMs)) });
      if (progress.doneCount >= progress.entityCount) {
        stop();
      }
    },
    stop,
  };
}

function createLines(stream: NodeJS.WriteStream): ProgressDisplay {
  let startedAtMs = 0;
  let lastLineAtMs = 0;
  return {
    update(progress) {
      const nowMs = performance.now();
      if (progress.phase === 'reading') {
        stream.write(`${progress.viewName}: reading its source\n`);
        startedAtMs = nowMs;
        lastLineAtMs = nowMs;
        return;
      }
      if (progress.doneCount === 0) {
        startedAtMs = nowMs;
      } else if (nowMs - lastLineAtMs >= LINE_INTERVAL_MS) {
        lastLineAtMs = nowMs;
        stream.write(`${describe(progress, startedAtMs)}\n`);
      }
    },
    stop() {},
  };
}

function describe(progress: IngestionProgress, startedAtMs: number): string {
  const { viewName, doneCount, entityCount } = progress;
  const perSecond = rate(progress, startedAtMs);
  const left = Math.ceil((entityCount - doneCount) / perSecond);
  const percent = Math.floor((100 * doneCount) / entityCount);
  return `${viewName}: ${percent}%, ${formatCount(doneCount)} of ${formatCount(entityCount)} entities, ${formatCount(perSecond)}/s, ${left} s left`;
}

function rate(progress: IngestionProgress, startedAtMs: number): number {
  return (1000 * progress.doneCount) / Math.max(1, performance.now() - startedAtMs);
}
