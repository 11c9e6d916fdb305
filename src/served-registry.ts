import type { Config } from './config/config.ts';
import { hashFeatureField } from './feast-encoding/hash-field.ts';
import type { NamedRegistrySource } from './registry/kept-registry.ts';
import { openRegistry } from './registry/open-registry.ts';
import type { RegistryOrigin } from './registry/registry-origin.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Metrics } from './telemetry/metrics.ts';

/** Whom to tell of a registry, and where else to read it. */
export interface ServedRegistryOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Instead of the place that the configuration names. */
  readonly origin?: RegistryOrigin | undefined;
}

/**
 * Opens the registry of a configuration; its changes and failures are logged and counted.
 *
 * @throws SideboardError REGISTRY_UNAVAILABLE (by rejection) when there is nothing to start with
 */
export function openServedRegistry(
  { registry, project }: Config,
  { logger, metrics, origin }: ServedRegistryOptions,
): Promise<NamedRegistrySource> {
  return openRegistry(
    registry,
    {
      project,
      hashFeatureField,
      onSwap: (snapshot) => {
        metrics.observeRegistryReload('changed');
        logger.info({ version: snapshot.versionId }, 'registry loaded');
      },
      onWarning: (message) => logger.warn(message),
      onFailure: (err) => {
        metrics.observeRegistryReload('failed');
        logger.error({ err }, 'the registry cannot be served; the last good one stays');
      },
    },
    origin,
  );
}
