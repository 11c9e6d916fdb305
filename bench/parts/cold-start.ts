import { openGrpcClient } from '../load/grpc-client.ts';
import { SERVING_PATH, encodeRequest, entityIds, references } from '../data/official-layout.ts';
import { startSideboard } from '../../test/support/sideboard-process.ts';
import { verifyReply } from '../data/verify-reply.ts';

/** One start of the server. */
export interface ColdStartFigures {
  /** From the start of the process until it says that it serves. */
  readonly startMs: number;
  /** The very first request of the process, 1 x 50, on a connection that is open: nothing compiled, nothing cached. */
  readonly firstRequestMs: number;
  /** The second, with other entities: the plan is cached, the code is still cold. */
  readonly secondRequestMs: number;
}

/** Starts the server anew and times its first answers. The caller has warmed the client up, see `warmUpClient`. */
export async function measureColdStart(
  repoPath: string,
  { core, entities }: { core: number; entities: number },
): Promise<ColdStartFigures> {
  const server = await startSideboard({ repoPath, core });
  const client = await openGrpcClient(server.port);
  const features = references(50);
  const timed = async (n: number): Promise<number> => {
    const ids = entityIds(1, n, entities);
    const message = encodeRequest(features, ids);
    const startedAtMs = performance.now();
    const reply = await client.call(SERVING_PATH, message);
    const elapsedMs = performance.now() - startedAtMs;
    verifyReply(reply, features, ids);
    return elapsedMs;
  };
  try {
    const firstRequestMs = await timed(0);
    return { startMs: server.startMs, firstRequestMs, secondRequestMs: await timed(1) };
  } finally {
    client.close();
    await server.stop();
  }
}
