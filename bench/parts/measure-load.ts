import { openGrpcClient } from '../load/grpc-client.ts';
import { runH2load } from '../load/h2load.ts';
import { openLoadClient } from '../load/load-client.ts';
import { SERVING_PATH, encodeRequest, entityIds, references } from '../data/official-layout.ts';
import { runClosed } from '../load/paced-load.ts';
import { usageOf } from '../machine/processes.ts';
import type { Scenario } from '../data/scenario.ts';
import type { SideboardProcess } from '../../test/support/sideboard-process.ts';
import { verifyReply } from '../data/verify-reply.ts';

/**
 * What reads cost depends on whether they are equal: h2load sends one request again and again, and single flight reads
 * once for all that wait for the same entities in the same moment. `joined` is that; `each`: the same with single flight
 * off; `distinct`: requests for other entities each, by our own client, as traffic is.
 */
export const LOAD_KINDS = ['joined', 'each', 'distinct'] as const;
export type LoadKind = (typeof LOAD_KINDS)[number];

/** One round of one scenario at saturation. */
export interface LoadFigures {
  readonly scenario: string;
  /** Absent in results of before it was told apart: `joined`. */
  readonly kind?: LoadKind;
  /** User and system time of the server per request, from the process's own accounting. The figure to trust. */
  readonly cpuUsPerRequest: number;
  readonly requestsPerSecond: number;
  readonly rssMiB: number;
  readonly requests: number;
}

/** Sends what is not measured until the JIT is warm. */
const WARM_UP_SECONDS = 2;
const DISTINCT_REQUESTS = 1000;

/** Settings of the server for a kind of load. */
export function environmentFor(kind: LoadKind): Readonly<Record<string, string>> {
  return { SIDEBOARD_REDIS_SINGLE_FLIGHT: String(kind !== 'each') };
}

export interface MeasureLoadOptions {
  readonly seconds: number;
  readonly entities: number;
  readonly kind: LoadKind;
}

/** Verifies one reply, warms up, then keeps a server saturated for `seconds`. @throws Error for a wrong answer */
export async function measureLoad(
  server: SideboardProcess,
  scenario: Scenario,
  options: MeasureLoadOptions,
): Promise<LoadFigures> {
  const features = references(scenario.features);
  const ids = entityIds(scenario.rows, 0, options.entities);
  const message = encodeRequest(features, ids);
  const client = await openGrpcClient(server.port);
  const reply = await client.call(SERVING_PATH, message);
  client.close();
  verifyReply(reply, features, ids);
  const saturate =
    options.kind === 'distinct'
      ? await distinctLoad(server, scenario, options.entities)
      : await equalLoad(server, scenario, { message, replyBytes: reply.length });

  const seconds = Math.min(WARM_UP_SECONDS, 2 * options.seconds);
  await saturate.run(seconds);
  const before = usageOf(server.pid);
  const { requests, requestsPerSecond } = await saturate.run(options.seconds);
  const after = usageOf(server.pid);
  saturate.close();
  return {
    scenario: scenario.name,
    kind: options.kind,
    cpuUsPerRequest: (after.cpuUs - before.cpuUs) / requests,
    requestsPerSecond,
    rssMiB: after.rssBytes / 2 ** 20,
    requests,
  };
}

/** Keeps a server busy for about so long. */
interface Saturation {
  run(seconds: number): Promise<{ requests: number; requestsPerSecond: number }>;
  close(): void;
}

/** One request again and again, by h2load. */
async function equalLoad(
  { port }: SideboardProcess,
  { name, connections, streamsPerConnection }: Scenario,
  { message, replyBytes }: { readonly message: Uint8Array; readonly replyBytes: number },
): Promise<Saturation> {
  const underWay = connections * streamsPerConnection;
  const target = { port, path: SERVING_PATH, message, connections, streamsPerConnection };
  const load = (requests: number) =>
    runH2load({ ...target, requests: Math.max(3 * underWay, Math.round(requests)) });
  let { requestsPerSecond } = await load(4 * underWay);
  return {
    async run(seconds) {
      const measured = await load(requestsPerSecond * seconds);
      const wanted = replyBytes + 5;
      if (measured.succeeded !== measured.requests || measured.bytesPerReply !== wanted) {
        throw new Error(
          `${name}: ${measured.succeeded} of ${measured.requests} answered, ${measured.bytesPerReply} bytes each where ${wanted} are right`,
        );
      }
      ({ requestsPerSecond } = measured);
      return measured;
    },
    close() {},
  };
}

/** Requests for other entities each, by a client that costs little; a call that fails ends it. */
async function distinctLoad(
  { port }: SideboardProcess,
  { rows, features, connections, streamsPerConnection }: Scenario,
  entities: number,
): Promise<Saturation> {
  const wanted = references(features);
  const messages = Array.from({ length: DISTINCT_REQUESTS }, (_, n) =>
    encodeRequest(wanted, entityIds(rows, n, entities)),
  );
  const target = { protocol: 'grpc', port, path: SERVING_PATH, messages, connections } as const;
  const client = await openLoadClient(target);
  return {
    async run(seconds) {
      const underWay = connections * streamsPerConnection;
      const { calls, answeredPerSecond } = await runClosed(client, { underWay, seconds });
      return { requests: calls, requestsPerSecond: answeredPerSecond };
    },
    close: () => client.close(),
  };
}
