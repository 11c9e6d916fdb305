import { EPOCH, NO_VALUE } from '../support/golden-answer.ts';
import type { FeaturesAnswer, GoldenCell } from '../support/golden-answer.ts';
import { FEATURE_NOT_FOUND, INVALID, mapFeatureCells, refusal } from './golden-case.ts';
import type { Departure, GoldenCase } from './golden-case.ts';
import { lossyValue } from './golden-entities.ts';
import { storedAnswer, storedCell, storedFeature, versionsRead } from './stored-answer.ts';
import type { RequestedOutput } from './golden-registry.ts';

/** Answers where Feast and the project both have features, and they differ; or where one of them has none. */
export const FEATURE_DEPARTURES: readonly Departure[] = [
  {
    number: '12.23',
    point: 'views that are being materialized',
    feast: 'refuses them: HTTP 500, gRPC UNKNOWN',
    ours: 'served',
    why: 'a refresh must not take a view down',
    apply: (answer, golden) =>
      answer.kind === 'refused' && /is in state 'MATERIALIZING'/.test(answer.text)
        ? storedAnswer(golden)
        : undefined,
  },
  {
    number: '12.24',
    point: 'services with precompute_online',
    feast:
      'answers from precomputed vectors: fails when one entity is missing or short names are asked for, marks values by TTL, and gives the time of precomputing as event timestamp',
    ours: 'what the rows say, always: a vector is read instead of them while it agrees with them',
    why: 'a vector makes an answer quicker, not another one',
    apply: (answer, golden) => {
      const service = golden.registry.services.get(golden.asked.featureService);
      if (service?.isPrecomputed !== true) return undefined;
      if (answer.kind === 'refused' && !/precompute_online=True/.test(answer.text))
        return undefined;
      return storedAnswer(golden);
    },
  },
  {
    number: '56',
    point: 'services without a version, where versioning is on',
    feast: 'read the rows of version 0, though a plain `view:feature` reads the latest',
    ours: 'the latest version for both',
    why: 'one view should not have two meanings',
    apply: (answer, golden) =>
      answer.kind === 'features' && isUnpinnedService(golden)
        ? mapFeatureCells(answer, golden, (cell, { output, row }) =>
            isBehind(golden, output) ? storedCell(golden, output, row) : cell,
          )
        : undefined,
  },
  {
    number: '56',
    point: 'versions of the views of a service in `feature_view_metadata`',
    feast: '0 for every view, whichever version was read; one entry for two versions of a view',
    ours: 'the versions that were read',
    why: 'it is what the caller asks the metadata for',
    apply: (answer, golden) => {
      const isService = golden.asked.featureService !== '';
      if (answer.kind !== 'features' || answer.viewMetadata.length === 0 || !isService) {
        return undefined;
      }
      return { ...answer, viewMetadata: versionsRead(golden) };
    },
  },
  {
    number: '57',
    point: 'aliased views asked with the alias and the join key',
    feast: 'the join key silently overrides the aliased column when it comes last',
    ours: 'HTTP 400, gRPC INVALID_ARGUMENT; the join key is accepted where the aliased column is absent',
    why: 'which of two contradicting columns counts must not depend on their order',
    apply: (answer, golden) => {
      if (answer.kind !== 'features') return undefined;
      const both = (golden.outputs ?? [])
        .flatMap(({ joinKeyMap }) => Object.entries(joinKeyMap))
        .find(([joinKey, alias]) => golden.sent?.has(joinKey) && golden.sent.has(alias));
      if (both === undefined) return undefined;
      const says = new RegExp(`${both[0]} from entity column ${both[1]}.*leave ${both[0]} out`);
      return refusal(golden.protocol, { ...INVALID, says });
    },
  },
  {
    number: '12.16',
    point: 'unknown features of on-demand views that are written to the store',
    feast: 'no value, for every row',
    ours: 'HTTP 404, gRPC NOT_FOUND',
    why: 'what does not exist is not found, as in any other view',
    apply: (answer, golden) => {
      const unknown = (golden.outputs ?? []).find(
        ({ viewName, featureName, pinnedVersion }) =>
          pinnedVersion === undefined &&
          golden.registry.views.get(viewName)?.featureNames.has(featureName) === false,
      );
      if (answer.kind !== 'features' || unknown === undefined) return undefined;
      const says = new RegExp(
        `Feature ${unknown.featureName} does not exist in feature view ${unknown.viewName}`,
      );
      return refusal(golden.protocol, { ...FEATURE_NOT_FOUND, says });
    },
  },
  {
    number: '12.5',
    point: 'entities that Redis does not hold',
    feast: 'PRESENT without a value on Redis (NOT_FOUND on SQLite)',
    ours: 'NOT_FOUND on every store',
    offWith: 'missing_entity: present',
    why: 'a missing entity is no entity of nulls, and the answer should not depend on the store',
    apply: (answer, golden) => markAbsent(answer, golden, (cell) => cell.timestamp === EPOCH),
  },
  {
    number: '12.6',
    point: 'features absent from a row that Redis holds',
    feast: 'PRESENT without a value on Redis (NOT_FOUND on SQLite)',
    ours: "NOT_FOUND with the row's event timestamp on every store",
    offWith: 'missing_entity: present',
    why: 'as for missing entities',
    apply: (answer, golden) => markAbsent(answer, golden, (cell) => cell.timestamp !== EPOCH),
  },
  {
    number: '14 (integer event times)',
    point: 'event timestamps finer than a microsecond',
    feast: 'cuts them to microseconds',
    ours: 'as they are stored',
    why: "nothing of Feast's writes them; what others wrote is not ours to change",
    apply: (answer, golden) =>
      answer.kind === 'features' && lossyValue(golden) === undefined
        ? mapFeatureCells(answer, golden, (cell, { output, row }) => {
            const { eventTimestampNs = 0n } = storedFeature(golden, output, row);
            const isFiner = eventTimestampNs % 1000n !== 0n;
            return isFiner
              ? { ...cell, timestamp: storedCell(golden, output, row).timestamp }
              : cell;
          })
        : undefined,
  },
  {
    number: '12.8',
    point: 'TTL through feast.serving.ServingService',
    feast: 'Python serves values of any age; Go and Java, whose service this is, mark them',
    ours: "values older than their view's TTL are OUTSIDE_MAX_AGE there, and nowhere else",
    offWith: 'online_ttl: ignore',
    why: 'each client sees what the server that it was written for does',
    apply: (answer, golden) =>
      answer.kind === 'features' && MARKING.has(golden.protocol)
        ? mapFeatureCells(answer, golden, (cell, { output, row }) =>
            isTooOld(golden, output, row) ? { ...cell, status: 'OUTSIDE_MAX_AGE' } : cell,
          )
        : undefined,
  },
];

/** Protocols of the service that marks. */
const MARKING: ReadonlySet<string> = new Set(['ServingService', 'web']);

/** Marks the cells without a value for which nothing is stored. */
function markAbsent(
  answer: Parameters<Departure['apply']>[0],
  golden: GoldenCase,
  concerns: (cell: GoldenCell) => boolean,
): FeaturesAnswer | undefined {
  if (answer.kind !== 'features' || golden.variant.store !== 'redis') return undefined;
  return mapFeatureCells(answer, golden, (cell, { output, row }) => {
    if (cell.value !== NO_VALUE || cell.status !== 'PRESENT' || !concerns(cell)) return cell;
    const { value } = storedFeature(golden, output, row);
    return value === undefined ? { ...cell, status: 'NOT_FOUND' } : cell;
  });
}

/** Whole seconds, strictly more than the TTL; what is not there, or has no time, has no age. */
function isTooOld(golden: GoldenCase, output: RequestedOutput, row: number): boolean {
  const ttlSeconds = golden.registry.views.get(output.viewName)?.ttlSeconds ?? 0;
  if (ttlSeconds === 0) return false;
  const { value, eventTimestampNs } = storedFeature(golden, output, row);
  if (value === undefined || eventTimestampNs === undefined) return false;
  const seconds = Number(eventTimestampNs / 1_000_000_000n);
  return golden.nowSeconds - seconds > ttlSeconds;
}

function isUnpinnedService(golden: GoldenCase): boolean {
  return (
    golden.asked.featureService !== '' &&
    golden.registry.keepsVersions &&
    (golden.outputs ?? []).some((output) => isBehind(golden, output))
  );
}

/** Whether Feast reads an older version of the view of a service's output than the latest. */
function isBehind({ registry }: GoldenCase, output: RequestedOutput): boolean {
  const latest = registry.views.get(output.viewName)?.currentVersion ?? 0;
  return output.pinnedVersion === undefined && latest > 0;
}
