import { SingleBar } from 'cli-progress';
import type { TrainingProgress } from '../training/historical-features.ts';

/** Time between two lines where there is no terminal to draw a bar on. */
const LINE_INTERVAL_MS = 5000;

/** Shows how far a training set is. */
export interface TrainingProgressDisplay {
  readonly update: (progress: TrainingProgress) => void;
  /** Ends the bar. */
  readonly stop: () => void;
}

/** One bar per step on a terminal; otherwise a line per step and every few seconds. Both on standard error. */
export function createTrainingProgress(
  stream: NodeJS.WriteStream = process.stderr,
): TrainingProgressDisplay {
  return stream.isTTY ? createBars(stream) : createLines(stream);
}

function createBars(stream: NodeJS.WriteStream): TrainingProgressDisplay {
  let bar: SingleBar | undefined;
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
  };
  return {
    update({ step, index, stepCount, percent }) {
      if (bar === undefined) {
        bar = new SingleBar({
          stream,
          format: `${index + 1}/${stepCount} ${step} [{bar}] {value}% | {duration_formatted}`,
          barsize: 28,
        });
        bar.start(100, 0);
      }
      bar.update(Math.floor(percent));
      if (percent >= 100) stop();
    },
    stop,
  };
}

function createLines(stream: NodeJS.WriteStream): TrainingProgressDisplay {
  let shownAtMs = 0;
  return {
    update({ step, index, stepCount, percent }) {
      const nowMs = performance.now();
      if (percent > 0 && nowMs - shownAtMs < LINE_INTERVAL_MS) return;
      shownAtMs = nowMs;
      const done = percent > 0 ? `: ${Math.floor(percent)}%` : '';
      stream.write(`${index + 1}/${stepCount} ${step}${done}\n`);
    },
    stop() {},
  };
}
