import type { Config } from '../../../src/config/config.ts';
import { isSideboardError } from '../../../src/errors.ts';
import { type RunningServer, startServer } from '../../../src/server.ts';
import { say } from './print-step.ts';

/**
 * Starts a server on `port`, its admin port on any free one. When the port is taken and `orAnother` is set, on any free
 * one too.
 *
 * @throws SideboardError as `startServer`
 */
export async function startOnFreePort(
  config: Config,
  port: number,
  orAnother: boolean,
): Promise<RunningServer> {
  const onPort = (wanted: number): Config => ({
    ...config,
    server: { ...config.server, port: wanted, adminPort: 0 },
  });
  try {
    return await startServer(onPort(port));
  } catch (error) {
    const isTaken = isSideboardError(error) && error.message.includes('is in use');
    if (!isTaken || !orAnother) throw error;
    say(`port ${port} is taken; using a free one`);
    return await startServer(onPort(0));
  }
}
