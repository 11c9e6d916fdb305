import { callNode } from './call-command.ts';
import type { ConnectionOptions } from './connection-options.ts';
import type { RedisReply } from './decode-reply.ts';
import type { GroupTargets } from './group-topology.ts';
import type { NodePool } from './node-pool.ts';
import { listOf, targetAt, textOf } from './parse-cluster.ts';
import { addressOf, RedisConnection, type NodeTarget } from './redis-connection.ts';
import { isReplyError, RedisError } from './redis-error.ts';
import { shuffled } from './shuffled.ts';

/**
 * The configured node and its replicas: those that are configured, or those that it names itself (`ROLE`).
 *
 * @param replicas `undefined` = ask the node.
 */
export function findReplicas(
  primary: NodeTarget,
  replicas: readonly NodeTarget[] | undefined,
): (pool: NodePool) => Promise<GroupTargets> {
  return async (pool) => {
    const { reads } = pool.nodeAt(primary);
    if (replicas !== undefined) {
      await callNode(reads, ['PING']);
      return { primary, replicas };
    }
    const [role, , third] = listOf(await callNode(reads, ['ROLE']));
    const listed = textOf(role) === 'master' && Array.isArray(third) ? listOf(third) : [];
    return {
      primary,
      replicas: listed.flatMap((replica) => {
        const [host, port] = listOf(replica);
        return targetAt(textOf(host), port) ?? [];
      }),
    };
  };
}

/** The node alone: looking means finding out whether it answers. */
export function findSingle(primary: NodeTarget): (pool: NodePool) => Promise<GroupTargets> {
  return findReplicas(primary, []);
}

export interface SentinelOptions {
  readonly sentinels: readonly NodeTarget[];
  readonly masterName: string;
  /** How to connect to the sentinels themselves. */
  readonly connection: ConnectionOptions;
  readonly wantsReplicas: boolean;
}

/**
 * The primary that a sentinel names, and the replicas that it sees up. A sentinel that was cut off from the others names one
 * that is a replica by now: the next one is asked then.
 */
export function findBySentinel(
  options: SentinelOptions,
): (pool: NodePool) => Promise<GroupTargets> {
  const { sentinels, masterName, connection: connectionOptions, wantsReplicas } = options;
  return async (pool) => {
    const failures: string[] = [];
    for (const target of shuffled(sentinels, connectionOptions.runtime)) {
      const connection = new RedisConnection(target, connectionOptions);
      try {
        const words = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName];
        const reply = await callNode(connection, words);
        const [host, port] = reply === null ? [] : listOf(reply);
        const primary = targetAt(textOf(host), port);
        if (primary !== undefined && (await isReplica(pool, primary))) {
          const { address } = connection;
          failures.push(
            `${address} takes ${addressOf(primary)} for the primary, which is a replica`,
          );
        } else if (primary !== undefined) {
          const replicas = wantsReplicas ? await listReplicas(connection, masterName) : [];
          return { primary, replicas };
        } else {
          failures.push(`${connection.address} knows no master ${masterName}`);
        }
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        failures.push(`${connection.address}: ${reason}`);
      } finally {
        connection.close();
      }
    }
    throw new RedisError('UNREACHABLE', failures.join('; '));
  };
}

/** Whether a node says so itself; one that says nothing, or may not, is what others say it is. */
async function isReplica(pool: NodePool, target: NodeTarget): Promise<boolean> {
  const { reads } = pool.nodeAt(target);
  const reply = await callNode(reads, ['ROLE']).catch(() => null);
  return Array.isArray(reply) && textOf(reply[0] as RedisReply) === 'slave';
}

async function listReplicas(
  connection: RedisConnection,
  masterName: string,
): Promise<readonly NodeTarget[]> {
  const ask = (word: string): Promise<RedisReply> =>
    callNode(connection, ['SENTINEL', word, masterName]);
  const reply = await ask('REPLICAS').catch((error: unknown) => {
    // Before Redis 5 they had another name.
    if (isReplyError(error, 'ERR')) return ask('SLAVES');
    throw error;
  });
  return listOf(reply).flatMap((replica) => {
    const flat = listOf(replica);
    const details = new Map<string, string>();
    for (let i = 0; i + 1 < flat.length; i += 2) details.set(textOf(flat[i]), textOf(flat[i + 1]));
    const isUp = !/s_down|o_down|disconnected/.test(details.get('flags') ?? '');
    const isFed = details.get('master-link-status') !== 'err';
    const target = targetAt(details.get('ip') ?? '', details.get('port'));
    return isUp && isFed && target !== undefined ? [target] : [];
  });
}

/** How sentinels are named in messages. */
export function sentinelNames(sentinels: readonly NodeTarget[], masterName: string): string {
  return `master ${masterName} of sentinels ${sentinels.map(addressOf).join(', ')}`;
}
