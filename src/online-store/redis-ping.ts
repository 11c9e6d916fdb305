import { onlineStoreUnavailable } from '../errors.ts';
import type { ReadOptions } from './online-store.ts';
import { commandError, openBatch } from './redis-batch.ts';
import type { RedisClient } from './redis-client.ts';
import { encodeCommand, PrebuiltCommand, type ReplyReceiver } from './redis-command.ts';

const PING = encodeCommand(['PING']);
const NO_KEY = new Uint8Array(0);

/**
 * Resolves when any node answers: a cluster that lost a shard still serves the others.
 *
 * @throws SideboardError ONLINE_STORE_UNAVAILABLE where none does.
 */
export async function pingRedis(client: RedisClient, limits: ReadOptions): Promise<void> {
  const outage = client.outage();
  if (outage !== undefined) {
    throw outage;
  }
  const nodes = client.masters();
  if (nodes.length === 0) {
    throw onlineStoreUnavailable('no node of the Redis Cluster is connected yet');
  }
  let refused = 0;
  const commands: PrebuiltCommand[] = [];
  const batch = openBatch(client, commands, 1, limits, client.commandTimeoutMs);
  const receiver: ReplyReceiver = {
    accept: () => batch.countReply(),
    refuse(command, error) {
      if (++refused === nodes.length) {
        batch.fail(commandError(client, command, NO_KEY, error));
      }
    },
  };
  for (const [i, node] of nodes.entries()) {
    const command = new PrebuiltCommand({ name: 'ping', bytes: PING, slot: 0 }, receiver, 0, i);
    commands.push(command);
    void node.sendCommand(command.asCommand());
  }
  await batch.finished;
}
