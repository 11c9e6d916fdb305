import type { Config } from '../config/config.ts';
import { startRequestServer } from '../server.ts';
import { createLogger } from '../telemetry/logger.ts';
import { linkToSupervisor } from '../workers/supervisor-link.ts';

/** Runs one worker of a supervisor: until it is told to drain, or gets SIGTERM, or the supervisor is gone. */
export async function serveAsWorker(config: Config): Promise<void> {
  const logger = createLogger(config.server.logLevel);
  // The terminal sends them to every process; what they mean for a worker the supervisor says.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
  const doors = config.server.portSharing === 'handover' ? 'handed over' : 'listen';
  const server = await startRequestServer(config, logger, doors);
  const link = linkToSupervisor(
    process,
    {
      accept: server.accept,
      collect: () => server.metrics.registry.getMetricsAsJSON(),
      drain: () => server.close(),
    },
    (err) => {
      if (err === undefined) logger.info({ pid: process.pid }, 'worker stopped');
      else logger.error({ err, pid: process.pid }, 'worker stopped with an error');
      process.exit(err === undefined ? 0 : 1);
    },
  );
  process.on('SIGTERM', () => link.drain());
  link.announce(server.address?.port);
  logger.info({ pid: process.pid }, 'worker serving');
}
