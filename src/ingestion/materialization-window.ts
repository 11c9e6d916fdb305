import type { ViewDefinition } from '../registry/registry-model.ts';
import { invalidMaterialization } from './ingestion-error.ts';

/** The event timestamps that a materialization takes: both ends belong to it. Nanoseconds since the epoch, UTC. */
export interface MaterializationWindow {
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/** An incremental run over a view without TTL that was never materialized goes back this far, as Feast's does. */
const DEFAULT_LOOKBACK_NS = 52n * 7n * 86_400n * 1_000_000_000n;

const NANOS_PER_SECOND = 1_000_000_000n;
const NANOS_PER_MICRO = 1000n;

const ISO_8601 =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;

/**
 * Reads a moment in ISO 8601: a date, or date and time with up to nine decimals and an offset. Without offset it is UTC, as
 * everywhere in Feast; what is finer than a microsecond is cut off, as Python's datetimes do.
 *
 * @param name of the argument, for the error.
 * @throws SideboardError INVALID_REQUEST when it is no such text or no such day.
 */
export function parseMoment(text: string, name: string): bigint {
  const timestampNs = readMoment(text);
  if (timestampNs === undefined) {
    throw invalidMaterialization(
      `${name} has to be a moment in ISO 8601, such as 2021-07-16T19:20:01 (UTC) or 2021-07-16T19:20:01+02:00`,
    );
  }
  return timestampNs;
}

/** As `parseMoment`; `undefined` where the text is no moment. */
export function readMoment(text: string): bigint | undefined {
  const parts = ISO_8601.exec(text.trim());
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', offset] =
    parts ?? [];
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  // Date.parse moves 31 April to 1 May and takes 24:00; Feast's parsers refuse both.
  if (
    parts === null ||
    Number.isNaN(ms) ||
    !isoDay(ms).startsWith(`${year}-${month}-${day}T${hour}`)
  ) {
    return undefined;
  }
  const nanos = BigInt(fraction.padEnd(9, '0'));
  return BigInt(ms) * 1_000_000n + nanos - (nanos % NANOS_PER_MICRO) - offsetNs(offset ?? 'Z');
}

/** ISO 8601 with the decimals that are needed, in UTC: the inverse of `parseMoment`. */
export function formatMoment(timestampNs: bigint): string {
  const micros = timestampNs / NANOS_PER_MICRO;
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const text = isoDay(Number((micros - fraction) / 1000n)).slice(0, 19);
  return `${text}${fraction === 0n ? '' : `.${fraction.toString().padStart(6, '0')}`}Z`;
}

/** @throws SideboardError INVALID_REQUEST when the start is after the end. */
export function materializationWindow(startNs: bigint, endNs: bigint): MaterializationWindow {
  if (startNs > endNs) {
    throw invalidMaterialization(
      `the start ${formatMoment(startNs)} is after the end ${formatMoment(endNs)}`,
    );
  }
  return { startNs, endNs };
}

/**
 * Where an incremental run starts: at the latest end of what was materialized, else one TTL before now, else (no TTL)
 * 52 weeks before now.
 *
 * @returns `undefined` when that is after `endNs`: there is nothing left to do.
 */
export function incrementalWindow(
  view: ViewDefinition,
  endNs: bigint,
  nowNs: bigint,
): MaterializationWindow | undefined {
  const startNs = view.materialization?.materializedUntilNs ?? nowNs - lookbackNs(view.ttlSeconds);
  return startNs > endNs ? undefined : { startNs, endNs };
}

/**
 * What an incremental run takes of the sources of an on-demand view, of which no run is recorded: the longest of their TTLs
 * before the end, else 52 weeks.
 */
export function incrementalWindowOf(
  sources: readonly ViewDefinition[],
  endNs: bigint,
): MaterializationWindow {
  const ttlSeconds = Math.max(...sources.map((source) => source.ttlSeconds));
  return { startNs: endNs - lookbackNs(ttlSeconds), endNs };
}

function lookbackNs(ttlSeconds: number): bigint {
  return ttlSeconds > 0 ? BigInt(ttlSeconds) * NANOS_PER_SECOND : DEFAULT_LOOKBACK_NS;
}

function isoDay(ms: number): string {
  return new Date(ms).toISOString();
}

function offsetNs(offset: string): bigint {
  if (offset.toUpperCase() === 'Z') {
    return 0n;
  }
  const digits = offset.replace(':', '');
  const minutes = BigInt(digits.slice(1, 3)) * 60n + BigInt(digits.slice(3) || '0');
  return (digits.startsWith('-') ? -minutes : minutes) * 60n * NANOS_PER_SECOND;
}
