import type { AddressInfo } from 'node:net';
import type { Config } from '../config/config.ts';
import { describeConfig } from '../config/describe-config.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Where a server can be reached, and how many processes it is. */
export interface ServingPlaces {
  readonly address: AddressInfo;
  readonly admin: AddressInfo;
  readonly workers: number;
}

/** The first lines of a server that runs: what it was configured to, and where it answers. */
export function logServing(
  logger: Logger,
  config: Config,
  { address, admin, workers }: ServingPlaces,
): void {
  logger.info({ config: describeConfig(config) }, 'configuration');
  for (const warning of config.warnings) logger.warn(warning);
  logger.info(
    {
      address: `${address.address}:${address.port}`,
      tls: config.server.tls !== undefined,
      unixSocket: config.server.unixSocket?.path,
      admin: `${admin.address}:${admin.port}`,
      pid: process.pid,
      workers,
    },
    'serving',
  );
}
