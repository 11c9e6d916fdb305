import { openGrpcClient } from './grpc-client.ts';
import { runH2load } from './h2load.ts';
import { SERVING_PATH, encodeRequest, entityIds, references } from './official-layout.ts';
import { usageOf } from './processes.ts';
import type { Scenario } from './scenario.ts';
import type { SideboardProcess } from '../test/support/sideboard-process.ts';
import { verifyReply } from './verify-reply.ts';

/** One round of one scenario at saturation. */
export interface LoadFigures {
  readonly scenario: string;
  /** User and system time of the server per request, from the process's own accounting. The figure to trust. */
  readonly cpuUsPerRequest: number;
  readonly requestsPerSecond: number;
  readonly rssMiB: number;
  readonly requests: number;
}

/** Sends what is not measured until the JIT is warm. */
const WARM_UP_SECONDS = 2;

/** Verifies one reply, warms up, then keeps a server saturated for `seconds`. @throws Error for a wrong answer */
export async function measureLoad(
  server: SideboardProcess,
  scenario: Scenario,
  { seconds, entities }: { seconds: number; entities: number },
): Promise<LoadFigures> {
  const features = references(scenario.features);
  const ids = entityIds(scenario.rows, 0, entities);
  const message = encodeRequest(features, ids);
  const client = await openGrpcClient(server.port);
  const reply = await client.call(SERVING_PATH, message);
  client.close();
  verifyReply(reply, features, ids);

  const { connections, streamsPerConnection } = scenario;
  const underWay = connections * streamsPerConnection;
  const load = (requests: number) =>
    runH2load({
      port: server.port,
      path: SERVING_PATH,
      message,
      connections,
      streamsPerConnection,
      requests: Math.max(3 * underWay, Math.round(requests)),
    });
  const first = await load(4 * underWay);
  const warm = await load(first.requestsPerSecond * WARM_UP_SECONDS);
  const before = usageOf(server.pid);
  const measured = await load(warm.requestsPerSecond * seconds);
  const after = usageOf(server.pid);

  const wanted = reply.length + 5;
  if (measured.succeeded !== measured.requests || measured.bytesPerReply !== wanted) {
    throw new Error(
      `${scenario.name}: ${measured.succeeded} of ${measured.requests} answered, ${measured.bytesPerReply} bytes each where ${wanted} are right`,
    );
  }
  return {
    scenario: scenario.name,
    cpuUsPerRequest: (after.cpuUs - before.cpuUs) / measured.requests,
    requestsPerSecond: measured.requestsPerSecond,
    rssMiB: after.rssBytes / 2 ** 20,
    requests: measured.requests,
  };
}
