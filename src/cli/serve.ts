import type { Command } from 'commander';
import { settingOverrides } from '../config/setting-flags.ts';
import { cliConfig } from './context.ts';
import { addSettingOptions } from './setting-options.ts';

/** How long a stopped server may still close what it had open. */
const LINGER_MS = 100;

/**
 * `sideboard serve`: runs until SIGTERM or SIGINT, then drains and exits 0; a second signal exits at once. SIGHUP reads the
 * certificate again.
 */
export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description('answers feature requests: gRPC, Connect, gRPC-Web and JSON on one port');
  addSettingOptions(command);
  command.action(async () => {
    const { describeConfig } = await import('../config/describe-config.ts');
    const { startServer } = await import('../server.ts');
    const config = cliConfig(command, settingOverrides(command.opts()));
    const server = await startServer(config);
    const { logger } = server;
    logger.info({ config: describeConfig(config) }, 'configuration');
    for (const warning of config.warnings) logger.warn(warning);
    logger.info(
      {
        address: `${server.address.address}:${server.address.port}`,
        tls: config.server.tls !== undefined,
        unixSocket: config.server.unixSocket?.path,
        admin: `${server.adminAddress.address}:${server.adminAddress.port}`,
        pid: process.pid,
      },
      'serving',
    );

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
    process.on('SIGHUP', () => void server.reload());
  });
}
