import type { Config } from '../config/config.ts';
import { startServer } from '../server.ts';
import { collectAlone } from './collect-alone.ts';
import { logServing } from './log-serving.ts';

/** How long a stopped server may still close what it had open. */
const LINGER_MS = 100;

/**
 * Runs a server in this process until SIGTERM or SIGINT, then drains and ends; a second signal ends it at once. SIGHUP reads
 * the certificate again.
 */
export async function serveAlone(config: Config): Promise<void> {
  // From the first moment on: whoever reloads a server that starts does not want it to end.
  let reload = (): void => {};
  process.on('SIGHUP', () => reload());
  collectAlone();
  const server = await startServer(config);
  reload = () => void server.reload();
  const { logger } = server;
  logServing(logger, config, { address: server.address, admin: server.adminAddress, workers: 1 });

  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1);
    stopping = true;
    logger.info({ signal }, 'draining');
    server
      .close()
      .then(
        () => logger.info('stopped'),
        (err: unknown) => {
          logger.error({ err }, 'stopped with an error');
          process.exitCode = 1;
        },
      )
      // A store that hangs may hold its socket for seconds more; nobody waits for it any longer.
      .finally(() => setTimeout(() => process.exit(), LINGER_MS).unref());
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
