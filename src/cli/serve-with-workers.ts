import type { Config } from '../config/config.ts';
import { isSideboardError } from '../errors.ts';
import { canReusePort } from '../port/listen.ts';
import { openDoors, openUnixDoor, type Doors } from '../port/port.ts';
import { startAdminServer } from '../telemetry/admin-server.ts';
import { createOrigin } from '../registry/open-registry.ts';
import { createLogger } from '../telemetry/logger.ts';
import { createCombinedMetrics } from '../workers/combined-metrics.ts';
import { createSupervisorMetrics } from '../workers/supervisor-metrics.ts';
import { isShared, shareRegistry } from '../workers/shared-registry.ts';
import { createSupervisor, WorkerFailed, type Supervisor } from '../workers/supervisor.ts';
import { startWorkerProcess, type WaitingConnection } from '../workers/worker-process.ts';
import { logServing } from './log-serving.ts';

/** A worker that does not say its metrics by then is counted with those it said before. */
const COLLECT_TIMEOUT_MS = 1000;

/** Settings that belong to the supervisor, which SIGHUP does not start again. */
const LASTING = ['host', 'port', 'unixSocket', 'adminHost', 'adminPort', 'portSharing'] as const;

/**
 * Runs a supervisor and its workers until SIGTERM or SIGINT, then drains and ends; a second signal ends everything at once.
 * SIGHUP loads the configuration again and replaces the workers one by one.
 *
 * @param load the configuration, as it is now
 */
export async function serveWithWorkers(load: () => Config): Promise<void> {
  const started = Promise.withResolvers<void>();
  let replacing = started.promise;
  let isReplacementDue = false;
  // From the first moment on: whoever reloads a server that starts does not want it to end.
  process.on('SIGHUP', () => {
    // The one that is to come reads the configuration when it begins: it does for this signal too.
    if (isReplacementDue) return;
    isReplacementDue = true;
    replacing = replacing.then(() => {
      isReplacementDue = false;
      return replace();
    });
  });
  const config = load();
  const { port, workers, drainTimeoutMs } = config.server;
  const logger = createLogger(config.server.logLevel);
  const handover = config.server.portSharing === 'handover' || !(await canReusePort());
  if (handover && config.server.portSharing !== 'handover') {
    logger.warn('port_sharing: this system has no SO_REUSEPORT for it; handing connections over');
  }
  /** What workers are told beyond our own arguments. */
  const workerArguments = ['--worker', '--port-sharing', handover ? 'handover' : 'reuse_port'];
  const registry = isShared(config.registry.kind)
    ? shareRegistry(await createOrigin(config.registry, config.project), {
        ...config.registry,
        onState: (state) => supervisor.all.forEach((worker) => worker.tellRegistry(state)),
      })
    : undefined;
  const supervisor: Supervisor = createSupervisor({
    drainTimeoutMs,
    start: () =>
      startWorkerProcess(
        {
          modulePath: process.argv[1] ?? '',
          args: [...process.argv.slice(2), ...workerArguments],
        },
        registry?.read,
      ),
    onFailure: (pid, { code, signal }, delayMs) =>
      logger.error({ pid, code, signal, delayMs }, 'a worker ended; another one starts'),
    onExit: ({ metrics }) => combined.retire(metrics),
  });
  const combined = createCombinedMetrics(
    createSupervisorMetrics(() => supervisor),
    () => Promise.all(supervisor.running.map((worker) => worker.collect(COLLECT_TIMEOUT_MS))),
  );
  let stopping = false;
  const admin = await startAdminServer({
    host: config.server.adminHost,
    port: config.server.adminPort,
    metrics: combined,
    isReady: () => supervisor.serving.length > 0 && !stopping,
  });

  let doors: Doors | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) {
      supervisor.kill();
      process.exit(1);
    }
    stopping = true;
    logger.info({ signal }, 'draining');
    doors?.close();
    void supervisor
      .stop()
      .then(() => registry?.close())
      .then(() => admin.close())
      .then(() => logger.info('stopped'));
  };
  const replace = async (): Promise<void> => {
    if (stopping) return;
    try {
      const next = load();
      const lasting = LASTING.filter(
        (name) => JSON.stringify(next.server[name]) !== JSON.stringify(config.server[name]),
      );
      if (lasting.length > 0) logger.warn({ lasting }, 'changed settings that need a restart');
      logger.info({ workers: next.server.workers }, 'replacing the workers');
      await supervisor.replaceAll(next.server.workers);
      logger.info('workers replaced');
    } catch (error) {
      if (!isSideboardError(error) && !(error instanceof WorkerFailed)) throw error;
      logger.error(`the workers that are left stay as they were: ${error.message}`);
    }
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);

  try {
    if (handover) doors = await openHandover(config, supervisor);
    // The first one alone: what is wrong is said once, and tells the others which port is shared.
    await supervisor.grow(1);
    if (doors === undefined && !stopping) {
      const sharedPort = (await supervisor.serving[0]?.serving) ?? port;
      workerArguments.push('--port', String(sharedPort));
      doors = await openShared(config, supervisor, sharedPort);
    }
    await supervisor.grow(workers);
  } catch (error) {
    if (stopping) return;
    doors?.close();
    await supervisor.stop();
    await registry?.close();
    await admin.close();
    if (!(error instanceof WorkerFailed)) throw error;
    // It has said why.
    process.exitCode = error.exit.code ?? 1;
    return;
  }
  if (stopping || doors === undefined) {
    // It was opened while the rest was being closed.
    doors?.close();
    return;
  }
  logServing(logger, config, { address: doors.address, admin: admin.address, workers });
  started.resolve();
}

/** Accepts every connection here and gives it to a worker. */
function openHandover({ server }: Config, supervisor: Supervisor): Promise<Doors> {
  const { host, port, unixSocket } = server;
  return openDoors({ host, port, unixSocket }, giver(supervisor), { pauseOnConnect: true });
}

/** The workers listen themselves; only a unix socket cannot be shared. */
async function openShared(
  { server: { host, unixSocket } }: Config,
  supervisor: Supervisor,
  port: number,
): Promise<Doors> {
  const unixDoor =
    unixSocket === undefined
      ? undefined
      : await openUnixDoor(unixSocket, giver(supervisor), { pauseOnConnect: true });
  return {
    address: { address: host, port, family: '' },
    close: () => unixDoor?.close(),
  };
}

function giver(supervisor: Supervisor) {
  return (socket: WaitingConnection['socket'], door: WaitingConnection['door']): void => {
    socket.on('error', () => {});
    supervisor.give({ socket, door });
  };
}
