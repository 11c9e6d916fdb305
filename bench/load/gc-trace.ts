/** What V8's collector did in a stretch of time. */
export interface GcFigures {
  readonly count: number;
  readonly totalMs: number;
  readonly longestMs: number;
}

/** `[pid:0x…] 84 ms: Scavenge 9.8 (11.2) -> 9.0 (13.7) MB, pooled: 0 MB, 0.60 / 0.00 ms  (average mu = …` */
const LINE = /^\[\d+:\S+\]\s+\d+ ms: .*?MB,.* ([\d.]+) \/ [\d.]+ ms/;

/** One collection of the young generation, in the many `name=value` of `--trace-gc-nvp`. */
const PROMOTED = / gc=s .* promoted=(\d+) /;

/** Adds up the lines that `node --trace-gc` prints; others are passed over. */
export function sumGc(lines: readonly string[]): GcFigures {
  const pauses = lines.flatMap((line) => {
    const match = LINE.exec(line);
    return match === null ? [] : [Number(match[1])];
  });
  return {
    count: pauses.length,
    totalMs: pauses.reduce((sum, each) => sum + each, 0),
    longestMs: Math.max(0, ...pauses),
  };
}

/** Bytes that were moved to the old generation, by the lines that `node --trace-gc-nvp` prints. */
export function sumPromotedBytes(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + Number(PROMOTED.exec(line)?.[1] ?? 0), 0);
}
