import { Buffer } from 'node:buffer';
import { isSideboardError } from '../errors.ts';
import { prepareHashFields } from '../redis/hash-fields.ts';
import type { RedisClient } from '../redis/redis-client.ts';
import type { RedisCall } from '../redis/routed-call.ts';
import { SLOT_COUNT, redisSlot } from '../redis/redis-slot.ts';
import type {
  ReadOptions,
  StoredEntity,
  StoredField,
  StoreFinding,
  ViewLayout,
} from './online-store.ts';
import { callRedis, replyText } from './redis-call.ts';
import { translated } from './redis-errors.ts';
import { fieldsOf } from './redis-read.ts';
import { redisKey } from './redis-write.ts';
import { unreadableEntity } from './store-errors.ts';

/** Beyond so many fields in a packed hash, finding some of them costs more than the memory is worth. */
const PACKED_FIELDS_NOTED = 128;

/** What `sideboard check` says of a Redis store. */
export async function checkRedis(client: RedisClient): Promise<readonly StoreFinding[]> {
  const startedAtMs = performance.now();
  try {
    const deadlineAtMs = startedAtMs + client.commandTimeoutMs;
    await translated(client.ping({ deadlineAtMs }));
  } catch (error) {
    if (!isSideboardError(error)) {
      throw error;
    }
    const remedy = 'check the address, TLS, user and password in online_store';
    return [{ level: 'error', message: error.message, remedy }];
  }
  const roundTripMs = (performance.now() - startedAtMs).toFixed(1);
  const findings: StoreFinding[] = [{ level: 'ok', message: `Redis answers in ${roundTripMs} ms` }];
  const askers = client.primaries().map((node): Asker => {
    const ask: Asker['ask'] = (...words) => client.callNode(node, words);
    return { address: node.address, ask };
  });
  for (const asker of askers) {
    findings.push(...(await checkNode(asker)));
  }
  if (client.isCluster && askers[0] !== undefined) {
    findings.push(await checkSlots(askers[0]));
  }
  return findings;
}

/** A node to ask; throws what the node answers as an error. */
interface Asker {
  readonly address: string;
  ask(...words: readonly string[]): Promise<unknown>;
}

async function checkNode(node: Asker): Promise<StoreFinding[]> {
  const { address } = node;
  let version = 'of unknown version';
  try {
    version =
      /redis_version:(\S+)/.exec(replyText(await node.ask('INFO', 'server')))?.[1] ?? version;
  } catch (error) {
    return [nodeProblem(address, error)];
  }
  const findings: StoreFinding[] = [{ level: 'ok', message: `${address} runs Redis ${version}` }];
  try {
    const policy = await configuration(node, 'maxmemory-policy');
    const limit = await configuration(node, 'maxmemory');
    if (policy !== 'noeviction' && !policy.startsWith('volatile-')) {
      findings.push({
        level: 'warning',
        message: `${address} throws features away when memory is short (maxmemory-policy ${policy}, maxmemory ${limit})`,
        remedy: 'CONFIG SET maxmemory-policy noeviction',
      });
    }
    // Redis 7 calls it listpack, earlier ones ziplist.
    const entries = Number(
      (await configuration(node, 'hash-max-listpack-entries')) ||
        (await configuration(node, 'hash-max-ziplist-entries')),
    );
    if (entries > PACKED_FIELDS_NOTED) {
      findings.push({
        level: 'ok',
        message: `${address} keeps hashes of up to ${entries} fields packed: reading from wide ones costs Redis time in proportion to all their fields`,
        remedy: `CONFIG SET hash-max-listpack-entries ${PACKED_FIELDS_NOTED}, for entities with more features than that`,
      });
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    findings.push({
      level: 'ok',
      message: `${address} does not show its configuration (${reason}): eviction and hash encoding were not checked`,
    });
  }
  return findings;
}

function nodeProblem(address: string, error: unknown): StoreFinding {
  const reason = error instanceof Error ? error.message : String(error);
  return {
    level: 'error',
    message: `${address} does not answer: ${reason}`,
    remedy: 'features of its slots cannot be read until it does',
  };
}

/** The value of a setting; empty where Redis has none of that name. */
async function configuration(node: Asker, name: string): Promise<string> {
  const reply = await node.ask('CONFIG', 'GET', name);
  return Array.isArray(reply) ? replyText(reply[1] ?? '') : '';
}

async function checkSlots(node: Asker): Promise<StoreFinding> {
  const info = replyText(await node.ask('CLUSTER', 'INFO'));
  const number = (name: string): number =>
    Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1] ?? Number.NaN);
  const served = number('cluster_slots_ok');
  if (info.includes('cluster_state:ok') && served === SLOT_COUNT) {
    return {
      level: 'ok',
      message: `The cluster serves all slots from ${number('cluster_size')} shards`,
    };
  }
  return {
    level: 'error',
    message: `The cluster serves ${served} of ${SLOT_COUNT} slots`,
    remedy: 'redis-cli --cluster check, and --cluster fix where it says so',
  };
}

/** Everything under the Redis key of one entity. */
export async function inspectRedis(
  client: RedisClient,
  project: string,
  entityKey: Uint8Array,
  views: readonly ViewLayout[] = [],
): Promise<StoredEntity> {
  const key = redisKey(entityKey, Buffer.from(project, 'utf8'));
  const limits: ReadOptions = { deadlineAtMs: performance.now() + client.commandTimeoutMs };
  const call = (name: string, ...words: readonly string[]): RedisCall => ({
    key,
    words: [name, ...words, key],
    isRead: true,
  });
  const [type] = (await callRedis(client, [call('type')], limits)).map(replyText);
  if (type !== 'hash' && type !== 'none') {
    throw unreadableEntity(key, `its Redis key holds a ${type}, not a hash`);
  }
  const calls = [call('pttl'), call('object', 'ENCODING'), call('hgetall')];
  const [pttl, encoding, hash] = await callRedis(client, type === 'none' ? [] : calls, limits);
  const slot = redisSlot(key);
  return {
    place: [
      ['redis key (hex)', key.toString('hex')],
      ['redis key', printable(key)],
      ...(client.isCluster ? [['slot', String(slot)] as const] : []),
      ['node', client.addressOfSlot(slot)],
      ['encoding', type === 'none' ? 'no such key' : replyText(encoding)],
      ...(type === 'none' ? [] : await readShapes(client, key, views)),
      ['ttl', typeof pttl === 'number' && pttl >= 0 ? `${(pttl / 1000).toFixed(1)} s` : 'none'],
    ],
    fields: pairs((hash ?? []) as readonly Buffer[]),
  };
}

/** For each view how its features are read best of this hash, with the times that say so. */
async function readShapes(
  client: RedisClient,
  key: Uint8Array,
  views: readonly ViewLayout[],
): Promise<(readonly [string, string])[]> {
  const shown: (readonly [string, string])[] = [];
  for (const view of views) {
    const fields = prepareHashFields(fieldsOf({ views: [view] }));
    const found = await translated(client.measureShapes(fields, [key]));
    if (found !== undefined) {
      const micros = (ms: number): string => `${Math.round(ms * 1_000)} us`;
      const best = found.hgetallMs < found.hmgetMs ? 'HGETALL' : 'HMGET';
      const times = `HMGET ${micros(found.hmgetMs)}, HGETALL ${micros(found.hgetallMs)}`;
      shown.push([
        `read of ${view.storedName}`,
        `${best} (${fields.width} of ${found.storedFields} fields: ${times})`,
      ]);
    }
  }
  return shown;
}

function pairs(flat: readonly Buffer[]): StoredField[] {
  const fields: StoredField[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    fields.push({ name: flat[i]!, value: flat[i + 1]! });
  }
  return fields;
}

/** Bytes as redis-cli prints them. */
function printable(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('');
}
