import { keyHash } from '../online-store/store-errors.ts';
import type { Finding } from './finding.ts';
import { kibibytes, mebibytes, percent } from './figures-text.ts';
import type { SampledEntity, ShardSample } from './sample-entities.ts';

const BIG_BYTES = 1024 * 1024;
const BIG_FIELDS = 5_000;
/** Counter of accesses from which on a key counts as hot: about a million accesses with Redis's defaults. */
const HOT_FREQUENCY = 200;
/** And so much above the median: the counter is logarithmic. */
const HOT_ABOVE_MEDIAN = 50;
const KEYS_NAMED = 5;

/** How keys are called in findings: by a hash of them, or as they are where the operator wants to see them. */
export type NameKey = (entity: SampledEntity) => string;

/** Names a key without showing the entity's values, as the server's errors do. */
export const byHash: NameKey = ({ key }) => `key hash ${keyHash(key)}`;

/** As redis-cli prints it; shows the entity's values. */
export const byBytes: NameKey = ({ key }) =>
  `"${Array.from(key, (byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('')}"`;

/**
 * What the sampled keys have in common.
 *
 * @param keyTtlSeconds of the configuration: `key_ttl_seconds`; `undefined` = not set.
 */
export function checkEntities(
  samples: readonly ShardSample[],
  keyTtlSeconds: number | undefined,
  nameOf: NameKey,
): readonly Finding[] {
  const entities = samples.flatMap((sample) => sample.entities);
  const seen = samples.reduce((sum, { keysSeen }) => sum + keysSeen, 0);
  const foreign = samples.reduce((sum, { foreignKeys }) => sum + foreignKeys, 0);
  const findings: Finding[] = [];
  if (foreign > 0) {
    findings.push({
      check: 'nodes',
      level: 'ok',
      message: `${percent(foreign, seen)} of the keys are no entities of this project (other projects, other users, another entity_key_serialization_version)`,
    });
  }
  return entities.length === 0
    ? findings
    : [
        ...findings,
        checkTtl(entities, keyTtlSeconds),
        checkBig(entities, nameOf),
        checkHot(entities, nameOf),
      ];
}

function checkTtl(entities: readonly SampledEntity[], keyTtlSeconds: number | undefined): Finding {
  const check = 'time-to-live';
  const endless = entities.filter(({ ttlMs }) => ttlMs < 0).length;
  if (endless === 0) {
    return { check, level: 'ok', message: 'every sampled key has a time to live' };
  }
  const message = `${percent(endless, entities.length)} of the keys have no time to live (${endless} of ${entities.length} sampled)`;
  return keyTtlSeconds === undefined
    ? {
        check,
        level: 'advice',
        message: `${message}: entities that are never written again stay for ever`,
        remedy:
          'set key_ttl_seconds in online_store, longer than the longest pause between two materializations',
      }
    : {
        check,
        level: 'warning',
        message: `${message}, although key_ttl_seconds is ${keyTtlSeconds}: they were written before it was set, or by a writer without it`,
        remedy: 'materialize them again, or with the writer that sets it',
      };
}

function checkBig(entities: readonly SampledEntity[], nameOf: NameKey): Finding {
  const check = 'big-hashes';
  const bySize = [...entities].sort((a, b) => b.memoryBytes - a.memoryBytes);
  const big = bySize.filter(
    ({ memoryBytes, fieldCount }) => memoryBytes > BIG_BYTES || fieldCount > BIG_FIELDS,
  );
  const widest = entities.reduce((most, { fieldCount }) => Math.max(most, fieldCount), 0);
  if (big.length === 0) {
    const largest = bySize[0]!.memoryBytes;
    const size = Number.isNaN(largest) ? '' : `, ${kibibytes(largest)} at most`;
    return { check, level: 'ok', message: `${widest} fields at most${size}` };
  }
  return {
    check,
    level: 'warning',
    message: `${percent(big.length, entities.length)} of the hashes are over ${mebibytes(BIG_BYTES)} or ${BIG_FIELDS} fields: ${list(big, (entity) => `${nameOf(entity)} of ${entity.joinKeys.join(', ')}: ${entity.fieldCount} fields, ${kibibytes(entity.memoryBytes)}`)}`,
    remedy:
      'reading one whole holds up every other client of its node: split the views over several entities, or drop what no service uses',
  };
}

function checkHot(entities: readonly SampledEntity[], nameOf: NameKey): Finding {
  const check = 'hot-keys';
  const counted = entities.filter(({ frequency }) => frequency !== undefined);
  if (counted.length === 0) {
    return {
      check,
      level: 'unknown',
      message: 'Redis counts accesses per key under the LFU eviction policies alone',
      remedy:
        'maxmemory-policy volatile-lfu shows hot keys to the doctor and to redis-cli --hotkeys, and evicts nothing that has no time to live',
    };
  }
  const byUse = counted.sort((a, b) => b.frequency! - a.frequency!);
  const median = byUse[Math.floor(byUse.length / 2)]!.frequency!;
  const hot = byUse.filter(
    ({ frequency }) => frequency! >= HOT_FREQUENCY && frequency! >= median + HOT_ABOVE_MEDIAN,
  );
  if (hot.length === 0) {
    const message = `no hot keys among ${counted.length} sampled: counters of access up to ${byUse[0]!.frequency}, median ${median} (of 255, logarithmic)`;
    return { check, level: 'ok', message };
  }
  return {
    check,
    level: 'warning',
    message: `${hot.length} of ${counted.length} sampled keys are hot (median counter ${median} of 255, logarithmic): ${list(hot, (entity) => `${nameOf(entity)} on ${entity.node.address}: ${entity.frequency}`)}`,
    remedy: 'their node serves them all alone: read from replicas, or find out who asks for them',
  };
}

function list(
  entities: readonly SampledEntity[],
  print: (entity: SampledEntity) => string,
): string {
  const named = entities.slice(0, KEYS_NAMED).map(print);
  const more = entities.length - named.length;
  return more > 0 ? `${named.join('; ')}; and ${more} more` : named.join('; ');
}
