/** How many reads a server has answered within each bound, by its own histogram: seconds to a count. */
export type ServedLatency = ReadonlyMap<number, number>;

const BUCKET =
  /^feature_server_rpc_duration_seconds_bucket\{(?=[^}]*code="OK")[^}]*le="([^"]+)"[^}]*\} (\d+)/gm;

/** What a server's metrics say of its answered calls. @param adminUrl base URL of its admin server */
export async function servedLatencyOf(adminUrl: string): Promise<ServedLatency> {
  const response = await fetch(`${adminUrl}/metrics`);
  const counts = new Map<number, number>();
  for (const [, bound, count] of (await response.text()).matchAll(BUCKET)) {
    const seconds = bound === '+Inf' ? Infinity : Number(bound);
    counts.set(seconds, (counts.get(seconds) ?? 0) + Number(count));
  }
  return counts;
}

/**
 * A quantile of what was answered between two looks, milliseconds; between the bounds of a bucket as if spread evenly, as
 * Prometheus has it. NaN where nothing was answered.
 */
export function servedQuantileMs(
  before: ServedLatency,
  after: ServedLatency,
  quantile: number,
): number {
  const bounds = [...after.keys()].toSorted((a, b) => a - b);
  const counts = bounds.map((bound) => after.get(bound)! - (before.get(bound) ?? 0));
  const wanted = quantile * (counts.at(-1) ?? Number.NaN);
  const i = counts.findIndex((count) => count > 0 && count >= wanted);
  if (i < 0) return Number.NaN;
  const [lower, fewer] = i === 0 ? [0, 0] : [bounds[i - 1]!, counts[i - 1]!];
  // Beyond the last bound nothing is known but that.
  if (bounds[i] === Infinity) return lower * 1000;
  return 1000 * (lower + ((bounds[i]! - lower) * (wanted - fewer)) / (counts[i]! - fewer));
}
