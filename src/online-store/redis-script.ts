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
  return { source, sha: createHash('sha1').update(source).digest('hex'), asTransaction };
}

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
  `
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
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored then
  local seconds, nanos = moment(stored)
  local newSeconds, newNanos = tonumber(ARGV[3]), tonumber(ARGV[4])
  if (seconds > 0 or nanos > 0)
    and (newSeconds < seconds or (newSeconds == seconds and newNanos <= nanos)) then
    return 0
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
for first = 6, #ARGV, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
if ARGV[5] ~= '' then redis.call('EXPIRE', KEYS[1], ARGV[5]) end
return 1
`,
  writeIfNewer,
);

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
