import { createHash } from 'node:crypto';
import type { Transaction, Words } from '../redis/transact.ts';
import { removeFields, writeIfNewer } from './redis-scriptless.ts';

/** A Lua script on one key, the name that Redis caches it under, and how to do without it. */
export interface RedisScript {
  readonly source: string;
  /** SHA-1 of the source in hex. */
  readonly sha: string;
  /** The same by a transaction, for servers that allow no scripts; one that carries nothing out is the script's 0. */
  readonly asTransaction: (key: Uint8Array, argument: Words) => Transaction;
}

function script(source: string, asTransaction: RedisScript['asTransaction']): RedisScript {
  return { source, sha: shaOf(source), asTransaction };
}

function shaOf(source: string): string {
  return createHash('sha1').update(source).digest('hex');
}

/** The moment of a stored `google.protobuf.Timestamp` in Lua, as `seconds, nanos`; 0, 0 = it never stands in the way. */
const MOMENT = `
local function varint(bytes, at)
  local value, scale = 0, 1
  for i = at, at + 9 do
    local byte = string.byte(bytes, i)
    if not byte then return nil end
    value = value + (byte % 128) * scale
    if byte < 128 then return value, i + 1 end
    scale = scale * 128
  end
end
local function moment(bytes)
  local seconds, nanos, at = 0, 0, 1
  while at <= #bytes do
    local tag, value
    tag, at = varint(bytes, at)
    if not tag or tag % 8 ~= 0 then return 0, 0 end
    value, at = varint(bytes, at)
    if not value then return 0, 0 end
    if tag == 8 then seconds = value elseif tag == 16 then nanos = value end
  end
  if seconds >= 2 ^ 63 then return 0, 0 end
  return seconds, nanos
end
local function isStale(stored, newSeconds, newNanos)
  local seconds, nanos = moment(stored)
  if seconds <= 0 and nanos <= 0 then return false end
  return newSeconds < seconds or (newSeconds == seconds and newNanos <= nanos)
end
`;

/**
 * Writes one row of a view unless the stored event timestamp is the same or newer; returns 1 when it wrote. Comparing and
 * writing are one step, so of two writers the newer event stays.
 *
 * KEYS[1] the entity's hash. ARGV: 1 the `_ts:view` field, 2 the encoded timestamp, 3 its seconds, 4 its nanoseconds,
 * 5 seconds that the hash lives ('' = for ever), then field, value, field, value, …
 *
 * The stored timestamp is a `google.protobuf.Timestamp`: varints of field 1 (seconds) and 2 (nanos). Nothing stored, epoch
 * 0, a moment before 1970 and bytes that are no timestamp never stand in the way. Numbers are doubles in Lua: seconds are
 * exact up to 2^53. Fields go in portions, because Lua passes at most some thousand arguments.
 */
export const WRITE_IF_NEWER: RedisScript = script(
  `${MOMENT}
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored and isStale(stored, tonumber(ARGV[3]), tonumber(ARGV[4])) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
for first = 6, #ARGV, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
if ARGV[5] ~= '' then redis.call('EXPIRE', KEYS[1], ARGV[5]) end
return 1
`,
  writeIfNewer,
);

/** Features of a row that `WRITE_ROWS_IF_NEWER` takes at most: Lua passes some thousand arguments. */
export const MAX_FEATURES_OF_ROWS = 1000;

const WRITE_ROWS_SOURCE = `${MOMENT}
local call, ttl, timestampField, count = redis.call, ARGV[1], ARGV[2], tonumber(ARGV[3])
local words = { timestampField }
for i = 1, count do words[2 * i + 1] = ARGV[i + 3] end
local written, at = 0, count + 4
for _, key in ipairs(KEYS) do
  local stored = call('HGET', key, timestampField)
  if not (stored and isStale(stored, tonumber(ARGV[at]), tonumber(ARGV[at + 1]))) then
    words[2] = ARGV[at + 2]
    for i = 1, count do words[2 * i + 2] = ARGV[at + 2 + i] end
    call('HSET', key, unpack(words, 1, 2 * count + 2))
    if ttl ~= '' then call('EXPIRE', key, ttl) end
    written = written + 1
  end
  at = at + count + 3
end
return written
`;

/**
 * `WRITE_IF_NEWER` for several rows of one view that set the same features, in a node that has all their keys; returns how
 * many it wrote. Costs Redis a third less per row.
 *
 * KEYS the hashes. ARGV: 1 seconds that they live ('' = for ever), 2 the `_ts:view` field, 3 the number of features, their
 * fields, then per key: seconds and nanoseconds of the event, the encoded timestamp, the values.
 */
export const WRITE_ROWS_IF_NEWER: Pick<RedisScript, 'source' | 'sha'> = {
  source: WRITE_ROWS_SOURCE,
  sha: shaOf(WRITE_ROWS_SOURCE),
};

const WRITE_ROWS_OF_NODE_SOURCE = `#!lua flags=allow-cross-slot-keys
${MOMENT}
local call, ttl, timestampField, count = redis.call, ARGV[1], ARGV[2], tonumber(ARGV[3])
local words = { timestampField }
for i = 1, count do words[2 * i + 1] = ARGV[i + 3] end
local written = 0
for at = count + 4, #ARGV, count + 4 do
  local key = ARGV[at]
  local stored = call('HGET', key, timestampField)
  if not (stored and isStale(stored, tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]))) then
    words[2] = ARGV[at + 3]
    for i = 1, count do words[2 * i + 2] = ARGV[at + 3 + i] end
    call('HSET', key, unpack(words, 1, 2 * count + 2))
    if ttl ~= '' then call('EXPIRE', key, ttl) end
    written = written + 1
  end
end
return written
`;

/**
 * `WRITE_ROWS_IF_NEWER` for a node of a cluster, from Redis 7.0: the rows may be of any of its slots. What the node does not
 * have (any more) is an error, after which some rows are written.
 *
 * KEYS[1] the first of the hashes, to find the node by. ARGV: 1 seconds that they live ('' = for ever), 2 the `_ts:view` field,
 * 3 the number of features, their fields, then per row: the hash, seconds and nanoseconds of the event, the encoded
 * timestamp, the values.
 */
export const WRITE_ROWS_OF_NODE: Pick<RedisScript, 'source' | 'sha'> = {
  source: WRITE_ROWS_OF_NODE_SOURCE,
  sha: shaOf(WRITE_ROWS_OF_NODE_SOURCE),
};

/**
 * Removes fields of views that are gone from one entity's hash, and the hash when no other view has a row in it; returns 1
 * when there was anything to remove.
 *
 * KEYS[1] the entity's hash. ARGV: the fields, event timestamps among them.
 */
export const REMOVE_FIELDS: RedisScript = script(
  `
local removed = 0
for first = 1, #ARGV, 1000 do
  removed = removed + redis.call('HDEL', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
if removed == 0 then return 0 end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 4) == '_ts:' then return 1 end
end
redis.call('DEL', KEYS[1])
return 1
`,
  removeFields,
);
