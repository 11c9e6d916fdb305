import { isDeepStrictEqual } from 'node:util';
import { sortJoinKeys } from '../feast-encoding/entity-key.ts';
import { decodeTimestamp } from '../feast-encoding/timestamp.ts';
import { hashFeatureField } from '../feast-encoding/hash-field.ts';
import { findCollisions } from '../registry/find-registry-problems.ts';
import type { RegistrySnapshot } from '../registry/registry-model.ts';
import { durationText, percent } from './figures-text.ts';
import type { Finding } from './finding.ts';
import type { SampledEntity } from './sample-entities.ts';
import {
  storedFieldNames,
  storedViewName,
  storedViews,
  type StoredView,
} from './stored-field-names.ts';

const TIMESTAMP_PREFIX = '_ts:';
const NANOS_PER_SECOND = 1_000_000_000n;
/** Share of fields without an owner from which on it is worth a word. */
const ORPHANS_NOTED = 0.02;
const VIEWS_NAMED = 5;

/** What the fields of the sampled hashes say about the views of the registry. */
export function checkViews(
  snapshot: RegistrySnapshot,
  entities: readonly SampledEntity[],
  nowSeconds: number,
): readonly Finding[] {
  const whole = entities.filter(({ fields }) => fields !== undefined);
  return [
    ...checkCollisions(snapshot),
    ...(whole.length === 0 ? [] : [checkOrphans(snapshot, whole)]),
    ...checkFreshness(snapshot, whole, nowSeconds),
  ];
}

/** Two features of one hash under the same four bytes. */
function checkCollisions(snapshot: RegistrySnapshot): readonly Finding[] {
  const search = findCollisions(snapshot, hashFeatureField);
  let step = search.next();
  while (step.done !== true) step = search.next();
  const collisions = step.value;
  return collisions.length === 0
    ? [
        {
          check: 'collisions',
          level: 'ok',
          message: 'no two features of the registry share a field of their hash',
        },
      ]
    : collisions.map((message) => ({ check: 'collisions', level: 'error', message }));
}

function checkOrphans(snapshot: RegistrySnapshot, entities: readonly SampledEntity[]): Finding {
  const features = storedFieldNames(snapshot);
  const views = new Set(storedViews(snapshot).map(({ storedName }) => storedName));
  const removedViews = new Set<string>();
  let fieldCount = 0;
  let orphans = 0;
  let orphanBytes = 0;
  for (const { name, value } of entities.flatMap(({ fields = [] }) => fields)) {
    fieldCount++;
    const text = name.toString('utf8');
    const isTimestamp = text.startsWith(TIMESTAMP_PREFIX);
    const view = text.slice(TIMESTAMP_PREFIX.length);
    if (isTimestamp ? views.has(view) : features.has(name.toString('hex'))) continue;
    orphans++;
    orphanBytes += name.length + value.length;
    if (isTimestamp) removedViews.add(view);
  }
  const where = removedViews.size === 0 ? '' : `; views: ${[...removedViews].sort().join(', ')}`;
  return orphans / fieldCount < ORPHANS_NOTED
    ? {
        check: 'fields',
        level: 'ok',
        message: `${percent(fieldCount - orphans, fieldCount)} of the stored fields belong to features of the registry`,
      }
    : {
        check: 'fields',
        level: 'advice',
        message: `${percent(orphans, fieldCount)} of the stored fields (${Math.round(orphanBytes / entities.length)} bytes per hash) belong to no feature of the registry${where}`,
        remedy:
          'removed views leave their fields where full_scan_for_deletion is off, and removed features always do: every read of a packed hash walks over them. Delete the keys and materialize again',
      };
}

/** How old the newest rows are that the sample holds of each view. */
function checkFreshness(
  snapshot: RegistrySnapshot,
  entities: readonly SampledEntity[],
  nowSeconds: number,
): readonly Finding[] {
  const ages = agesByView(entities, nowSeconds);
  const findings = [...snapshot.views.values()].filter(isMaterialized).map((view) => {
    const storedName = storedViewName(snapshot, view.name, view.versionNumber);
    return freshnessOf({ storedName, view }, ages.get(storedName) ?? [], entities);
  });
  const fresh = findings.filter(({ level }) => level === 'ok');
  // A line per healthy view says nothing.
  return fresh.length > 1
    ? [
        ...findings.filter(({ level }) => level !== 'ok'),
        {
          check: 'freshness',
          level: 'ok',
          message: `${fresh.length} views have rows within their time to live: ${listOf(fresh.map(({ where = '' }) => where))}`,
        },
      ]
    : findings;
}

function isMaterialized({ kind, online, disabled }: StoredView['view']): boolean {
  return kind !== 'on_demand_feature_view' && kind !== 'label_view' && online && !disabled;
}

function listOf(names: readonly string[]): string {
  const named = names.slice(0, VIEWS_NAMED).join(', ');
  return names.length > VIEWS_NAMED ? `${named} and ${names.length - VIEWS_NAMED} more` : named;
}

/** Stored view name -> ages of its sampled rows in seconds, youngest first. */
function agesByView(
  entities: readonly SampledEntity[],
  nowSeconds: number,
): ReadonlyMap<string, readonly number[]> {
  const ages = new Map<string, number[]>();
  for (const { name, value } of entities.flatMap(({ fields = [] }) => fields)) {
    const text = name.toString('utf8');
    if (!text.startsWith(TIMESTAMP_PREFIX)) continue;
    const view = text.slice(TIMESTAMP_PREFIX.length);
    const moment = momentOf(value);
    if (moment === undefined) continue;
    const age = nowSeconds - Number(moment / NANOS_PER_SECOND);
    const ofView = ages.get(view);
    if (ofView === undefined) ages.set(view, [age]);
    else ofView.push(age);
  }
  for (const ofView of ages.values()) ofView.sort((a, b) => a - b);
  return ages;
}

/** `undefined` for bytes that are no timestamp: reading the row says so. */
function momentOf(value: Uint8Array): bigint | undefined {
  try {
    return decodeTimestamp(value);
  } catch {
    return undefined;
  }
}

function freshnessOf(
  { storedName, view }: StoredView,
  ages: readonly number[],
  entities: readonly SampledEntity[],
): Finding {
  const check = 'freshness';
  const where = storedName;
  const joinKeys = sortJoinKeys(view.joinKeys.map(({ name }) => name));
  const [youngest, median] = [ages[0], ages[Math.floor(ages.length / 2)]];
  if (youngest === undefined || median === undefined) {
    const possible = entities.filter((entity) => isDeepStrictEqual(entity.joinKeys, joinKeys));
    return {
      check,
      level: 'warning',
      where,
      message: `has no row in any of the ${possible.length} sampled hashes of ${joinKeys.join(', ')}`,
      remedy: 'sideboard materialize, or push to it',
    };
  }
  const rows = `newest of ${ages.length} sampled rows ${durationText(youngest)} old, median ${durationText(median)}`;
  const ttl = view.ttlSeconds;
  if (ttl === 0) {
    return { check, level: 'ok', where, message: `${rows}; the view has no time to live` };
  }
  if (youngest > ttl) {
    return {
      check,
      level: 'warning',
      where,
      message: `every row is older than its time to live of ${durationText(ttl)}: ${rows}; reads answer OUTSIDE_MAX_AGE or old values`,
      remedy: 'look at the job that materializes it, then: sideboard materialize-incremental',
    };
  }
  const stale = ages.filter((age) => age > ttl).length;
  const message = `${rows}; ${percent(stale, ages.length)} are past the time to live of ${durationText(ttl)}`;
  return stale * 2 > ages.length
    ? {
        check,
        level: 'advice',
        where,
        message,
        remedy: 'these entities get no new rows any more: key_ttl_seconds lets them go',
      }
    : { check, level: 'ok', where, message };
}
