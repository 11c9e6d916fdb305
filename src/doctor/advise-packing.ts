import type { Finding } from './finding.ts';
import { kibibytes, mebibytes, microseconds } from './figures-text.ts';
import { infoNumber, packingLimits, packingSetting, type NodeFacts } from './node-facts.ts';
import type { PackingFigures, PackingRead, ReadTimes } from './packing-figures.ts';

/** Beneath so much gain a change is not worth its trouble. */
const MIN_GAIN = 1.5;
const MIN_SAVED_US = 3;
/** Packing is advised where it saves this share of the memory and lengthens no read by more than this factor. */
const MIN_MEMORY_SAVED = 0.3;
const MAX_LENGTHENING = 1.2;
/** Hashes up to here are cheap to walk; a limit need not be lower. */
const HIGHEST_LIMIT = 128;
/** Seen on Redis 7.0.15, and followed in `test/system/doctor.test.ts`. */
const WHEN_IT_TAKES_EFFECT =
  'a hash is unpacked by the next row written to it (rows with newer event timestamps; equal ones are skipped), and all of them when a node loads its data (restart, full synchronization)';
/** Memory that stays free after a change. */
const MEMORY_HEADROOM = 0.9;

/** Says for each entity whether its hashes are encoded well, and which limits would be better. */
export function advisePacking(
  figures: readonly PackingFigures[],
  primaries: readonly NodeFacts[],
): readonly Finding[] {
  const facts = primaries[0];
  if (facts === undefined) return [];
  const paying = figures.filter((entity) => entity.isPacked && paysUnpacked(entity));
  const staying = figures.filter((entity) => entity.isPacked && !paying.includes(entity));
  const limit = entriesLimit(paying, staying);
  return figures.map((entity): Finding => {
    if (paying.includes(entity)) {
      const price = paying.reduce((sum, { totalHashes, bytesPerHash }) => {
        return sum + totalHashes * (bytesPerHash.other - bytesPerHash.now);
      }, 0);
      return adviseUnpacking(entity, facts, limit, shortage(primaries, price));
    }
    const mayPack = limit === undefined || entity.fieldCount.max <= limit;
    return !entity.isPacked && mayPack && paysPacked(entity)
      ? advisePackingMore(entity, facts)
      : {
          check: 'encoding',
          level: 'ok',
          where: entity.entity,
          message: `${describe(entity)}: nothing to gain by another encoding${timesText(widest(entity))}`,
        };
  });
}

function paysUnpacked({ reads }: PackingFigures): boolean {
  return reads.some(({ now, other }) => {
    if (other === undefined) return false;
    return best(now) / best(other) >= MIN_GAIN && best(now) - best(other) >= MIN_SAVED_US;
  });
}

function paysPacked({ bytesPerHash: { now, other }, reads }: PackingFigures): boolean {
  const isSlower = reads.some(
    (read) => read.other === undefined || best(read.other) > best(read.now) * MAX_LENGTHENING,
  );
  return !isSlower && other <= now * (1 - MIN_MEMORY_SAVED);
}

/** The cheaper of the two ways to read. */
function best({ hmgetUs, hgetallUs }: ReadTimes): number {
  return Math.min(hmgetUs, hgetallUs);
}

/** A round limit beneath the hashes that gain and, where there is room, above those that do not. */
function entriesLimit(
  paying: readonly PackingFigures[],
  staying: readonly PackingFigures[],
): number | undefined {
  if (paying.length === 0) return undefined;
  const narrowest = Math.min(...paying.map(({ fieldCount }) => fieldCount.min));
  const widestStaying = Math.max(0, ...staying.map(({ fieldCount }) => fieldCount.max));
  const round = Math.min(HIGHEST_LIMIT, 2 ** Math.floor(Math.log2(Math.max(1, narrowest - 1))));
  return round >= widestStaying || widestStaying >= narrowest ? round : widestStaying;
}

function adviseUnpacking(
  entity: PackingFigures,
  facts: NodeFacts,
  limit: number | undefined,
  shortage: string,
): Finding {
  const read = mostGaining(entity);
  const { now, other } = read;
  const { bytesPerHash, totalHashes } = entity;
  const gain = (best(now) / best(other)).toFixed(1);
  const price = totalHashes * (bytesPerHash.other - bytesPerHash.now);
  const setting = packingSetting(facts, 'entries');
  const current = packingLimits(facts)?.entries;
  const isSet = current !== undefined && entity.fieldCount.min > current;
  return {
    check: 'encoding',
    level: 'advice',
    where: entity.entity,
    message:
      `${describe(entity)}. Reading ${read.name} (${read.featureCount} features) costs Redis ${microseconds(best(now))} per entity` +
      ` (HMGET ${microseconds(now.hmgetUs)}, HGETALL ${microseconds(now.hgetallUs)}; ${now.basis});` +
      ` unpacked ${microseconds(best(other))}, ${gain} times less (HMGET ${microseconds(other.hmgetUs)}; ${other.basis})${slowerText(entity)}.` +
      ` Price: ${kibibytes(bytesPerHash.now)} -> ${kibibytes(bytesPerHash.other)} per hash (${bytesPerHash.basis}),` +
      ` about ${mebibytes(price)} for about ${totalHashes} hashes${shortage}`,
    remedy: isSet
      ? `${setting} is ${current} already; ${WHEN_IT_TAKES_EFFECT}`
      : `CONFIG SET ${setting} ${limit} on every node, replicas too, and in the configuration file or parameter group (now ${current ?? 'not shown'}); ${WHEN_IT_TAKES_EFFECT}`,
  };
}

function advisePackingMore(entity: PackingFigures, facts: NodeFacts): Finding {
  const { bytesPerHash, totalHashes, fieldCount, longestValueBytes } = entity;
  const saved = totalHashes * (bytesPerHash.now - bytesPerHash.other);
  const limits = packingLimits(facts);
  const wanted = [
    ...(limits !== undefined && fieldCount.max <= limits.entries
      ? []
      : [`${packingSetting(facts, 'entries')} ${fieldCount.max}`]),
    ...(limits !== undefined && longestValueBytes <= limits.valueBytes
      ? []
      : [`${packingSetting(facts, 'value')} ${longestValueBytes}`]),
  ];
  return {
    check: 'encoding',
    level: 'advice',
    where: entity.entity,
    message: `${describe(entity)}. Packed they would take ${kibibytes(bytesPerHash.other)} instead of ${kibibytes(bytesPerHash.now)} each (${bytesPerHash.basis}), about ${mebibytes(saved)} less for about ${totalHashes} hashes, and reads no longer${timesText(widest(entity))}`,
    remedy:
      wanted.length === 0
        ? 'the limits allow it already; they stay unpacked until their node loads its data again, or the keys are deleted and written anew'
        : `CONFIG SET ${wanted.join(' and ')} on every node; what is unpacked stays so until its node loads its data again (a restart from a snapshot, a full synchronization) or the key is deleted and written anew`,
  };
}

function describe(entity: PackingFigures): string {
  const { encoding, encodedHashes, sampledHashes, fieldCount } = entity;
  const share = encodedHashes === sampledHashes ? '' : `${encodedHashes} of `;
  const width =
    fieldCount.min === fieldCount.max
      ? `${fieldCount.max} fields`
      : `${fieldCount.min} to ${fieldCount.max} fields`;
  return `${share}${sampledHashes} sampled hashes are encoded as ${encoding}, ${width}`;
}

function widest({ reads }: PackingFigures): PackingRead | undefined {
  return reads[0];
}

/** Reads that a change would lengthen. */
function slowerText({ reads }: PackingFigures): string {
  const slower = reads.filter(
    ({ now, other }) => other !== undefined && best(other) > best(now) * MAX_LENGTHENING,
  );
  const list = slower.map(
    ({ name, now, other }) => `${name} ${microseconds(best(now))} -> ${microseconds(best(other!))}`,
  );
  return list.length === 0 ? '' : `; but longer for ${list.join(', ')}`;
}

/** Only called where a read gains. */
function mostGaining({ reads }: PackingFigures): PackingRead & { readonly other: ReadTimes } {
  const compared = reads.filter(
    (read): read is PackingRead & { readonly other: ReadTimes } => read.other !== undefined,
  );
  return compared.sort((a, b) => best(b.now) / best(b.other) - best(a.now) / best(a.other))[0]!;
}

function timesText(read: PackingRead | undefined): string {
  if (read === undefined) return '';
  const other =
    read.other === undefined
      ? ''
      : `, ${microseconds(best(read.other))} in the other (${read.other.basis})`;
  return ` (${read.name}: ${microseconds(best(read.now))} of Redis per entity in this encoding, ${read.now.basis}${other})`;
}

/** A warning where the memory of the change is not there. */
function shortage(primaries: readonly NodeFacts[], priceBytes: number): string {
  const isShort = primaries.some((facts) => {
    const limit = infoNumber(facts, 'maxmemory');
    const after = infoNumber(facts, 'used_memory') + priceBytes / primaries.length;
    return limit > 0 && after > limit * MEMORY_HEADROOM;
  });
  return isShort ? '; the nodes have not that much memory left: raise maxmemory first' : '';
}
