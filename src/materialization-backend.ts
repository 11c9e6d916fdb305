import { Worker } from 'node:worker_threads';
import type { Config } from './config/config.ts';
import { SideboardError } from './errors.ts';
import type {
  MaterializationBackend,
  MaterializationRun,
} from './ingestion/materialization-jobs.ts';
import type { WorkerOrder, WorkerReport } from './materialization-worker.ts';
import { updateRegistry } from './registry/open-registry.ts';
import { releaseViews, reserveViews } from './registry/view-states.ts';
import type { Reservation } from './registry/view-states.ts';

/** Sources run as they are; the image has them compiled. */
const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './materialization-worker.ts' : './materialization-worker.js',
  import.meta.url,
);

/** How long a thread that was told to stop may take to. */
const STOP_TIMEOUT_MS = 5_000;

/** Runs materializations on threads, and marks their views in the registry file. */
export function createMaterializationBackend(
  config: Config,
): Pick<MaterializationBackend, 'run' | 'reserve' | 'delegates'> {
  return {
    delegates: config.transformationEndpoint !== undefined,
    run: (run, signal) => runOnThread({ config, run }, signal),
    async reserve(viewNames, force) {
      let reservation: Reservation = { kind: 'taken', viewNames };
      await updateRegistry(config.registry, (registry) => {
        reservation = reserveViews(registry, config.project, viewNames, force);
        return reservation.kind === 'reserved';
      });
      // Assigned in the callback, which the compiler does not follow.
      const settled = reservation as Reservation;
      if (settled.kind === 'taken') return { taken: settled.viewNames };
      return {
        release: async () => {
          await updateRegistry(config.registry, (registry) =>
            releaseViews(registry, config.project, settled.views),
          );
        },
      };
    },
  };
}

function runOnThread(order: WorkerOrder, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(WORKER, {
      workerData: order,
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    let timer: NodeJS.Timeout | undefined;
    const stop = (): void => {
      worker.postMessage('stop');
      timer = setTimeout(() => void worker.terminate(), STOP_TIMEOUT_MS);
    };
    let report: WorkerReport | undefined;
    signal.addEventListener('abort', stop, { once: true });
    worker.once('message', (message: WorkerReport) => {
      report = message;
    });
    worker.once('error', reject);
    worker.once('exit', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      if (report?.kind === 'done') resolve();
      else reject(errorOf(report, order.run));
    });
  });
}

function errorOf(report: WorkerReport | undefined, { viewNames }: MaterializationRun): Error {
  switch (report?.kind) {
    case 'failed':
      return new SideboardError(report.code, report.message);
    case 'broken':
      return new Error(`materialization of ${viewNames.join(', ')} broke: ${report.stack}`);
    default:
      return new SideboardError(
        'CANCELLED',
        `materialization of ${viewNames.join(', ')} was ended`,
      );
  }
}
