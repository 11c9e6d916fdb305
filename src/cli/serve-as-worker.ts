import type { Config } from '../config/config.ts';
import { startRequestServer, type RequestServer } from '../server.ts';
import { createLogger, type Logger } from '../telemetry/logger.ts';
import { isShared } from '../workers/shared-registry.ts';
import { createSupervisedOrigin } from '../workers/supervised-origin.ts';
import { linkToSupervisor, type SupervisorLink } from '../workers/supervisor-link.ts';
import { collectAlone } from './collect-alone.ts';

/** What the supervisor says of the registry is looked at so often: it costs nothing. */
const LOOK_MS = 200;

/** Runs one worker of a supervisor: until it is told to drain, or gets SIGTERM, or the supervisor is gone. */
export async function serveAsWorker(config: Config): Promise<void> {
  const logger = createLogger(config.server.logLevel);
  const link = linkToSupervisor(process, (err) => {
    if (err === undefined) logger.info({ pid: process.pid }, 'worker stopped');
    else logger.error({ err, pid: process.pid }, 'worker stopped with an error');
    process.exit(err === undefined ? 0 : 1);
  });
  // The terminal sends them to every process; what they mean for a worker the supervisor says.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
  process.on('SIGTERM', () => link.drain());
  collectAlone();
  let server: RequestServer;
  try {
    server = await startWorker(config, logger, link);
  } catch (error) {
    // What listens to the supervisor would keep the process alive.
    process.disconnect();
    throw error;
  }
  link.serve(
    {
      accept: server.accept,
      collect: () => server.metrics.registry.getMetricsAsJSON(),
      drain: () => server.close(),
    },
    server.address?.port,
  );
  logger.info({ pid: process.pid }, 'worker serving');
}

async function startWorker(
  config: Config,
  logger: Logger,
  { registry }: SupervisorLink,
): Promise<RequestServer> {
  const doors = config.server.portSharing === 'handover' ? 'handed over' : 'listen';
  if (!isShared(config.registry.kind)) return await startRequestServer(config, logger, { doors });
  const registryOrigin = await createSupervisedOrigin(registry);
  return await startRequestServer(supervised(config), logger, { doors, registryOrigin });
}

/** The supervisor reads again when it is time; the worker need not. */
function supervised(config: Config): Config {
  const registry = { ...config.registry, cacheTtlSeconds: 0, pollIntervalMs: LOOK_MS };
  return { ...config, registry };
}
