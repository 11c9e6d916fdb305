import type { ReadShape } from './hash-fields.ts';
import type { ShapeMeasurement } from './measure-shapes.ts';

/** How a group of fields is read, and why. */
export interface ShapeChoice {
  readonly shape: ReadShape;
  /** Smoothed; `undefined` = nothing has been measured yet. */
  readonly measured: ShapeMeasurement | undefined;
  readonly switches: number;
}

/** How often to look: soon while nothing is decided, now and then otherwise. */
export interface ShapeIntervals {
  readonly undecidedMs: number;
  readonly decidedMs: number;
}

const INTERVALS: ShapeIntervals = { undecidedMs: 1_000, decidedMs: 30_000 };
/** Hashes in one measurement. */
const SAMPLE_KEYS = 8;
/** A new measurement counts so much against those before. */
const WEIGHT = 0.4;
/** The first looks see code that is not compiled yet: each counts alone, and the next one is soon. */
const FIRST_LOOKS = 3;
/** The other shape has to be better by so much, twice in a row. */
const BETTER_FACTOR = 1.25;
const BETTER_MS = 0.004;
const TIMES_BETTER = 2;

/**
 * Which of `HMGET` and `HGETALL` reads a group of fields: what is found quicker on the hashes that are read. `HMGET` walks a
 * packed hash once for each field, so its time depends on where they lie; no rule foresees that.
 */
export class ShapeChooser {
  shape: ReadShape = 'hmget';
  switches = 0;
  measured: ShapeMeasurement | undefined = undefined;
  private readonly measure: (keys: readonly Uint8Array[]) => Promise<ShapeMeasurement | undefined>;
  private readonly intervals: ShapeIntervals;
  private keys: Uint8Array[] = [];
  private dueAtMs = Number.NEGATIVE_INFINITY;
  private timesBetter = 0;
  private lookCount = 0;
  private isMeasuring = false;

  /** @param measure reads hashes in both shapes; `undefined` = none of them exists. */
  constructor(
    measure: (keys: readonly Uint8Array[]) => Promise<ShapeMeasurement | undefined>,
    intervals = INTERVALS,
  ) {
    this.measure = measure;
    this.intervals = intervals;
  }

  /** Tells it what is read: some of these keys are measured when that is due. */
  offer(keys: readonly Uint8Array[], nowMs: number): void {
    if (nowMs < this.dueAtMs || this.isMeasuring || keys.length === 0) {
      return;
    }
    const step = Math.max(Math.floor(keys.length / SAMPLE_KEYS), 1);
    for (let i = 0; i < keys.length && this.keys.length < SAMPLE_KEYS; i += step) {
      // A copy: the key belongs to its request.
      this.keys.push(Uint8Array.from(keys[i]!));
    }
    if (this.keys.length === SAMPLE_KEYS || this.measured === undefined) {
      void this.look(nowMs);
    }
  }

  private async look(nowMs: number): Promise<void> {
    const { keys } = this;
    this.keys = [];
    this.isMeasuring = true;
    try {
      const found = await this.measure(keys);
      if (found !== undefined) this.take(found);
      // Until a switch is decided, and where nothing could be learnt, the next look is soon.
      const isSettled =
        found !== undefined && this.timesBetter === 0 && this.lookCount >= FIRST_LOOKS;
      const { decidedMs, undecidedMs } = this.intervals;
      this.dueAtMs = nowMs + (isSettled ? decidedMs : undecidedMs);
    } catch {
      // A node that is away is somebody else's business.
      this.dueAtMs = nowMs + this.intervals.decidedMs;
    } finally {
      this.isMeasuring = false;
    }
  }

  private take(found: ShapeMeasurement): void {
    const before = this.measured ?? found;
    const weight = this.lookCount++ < FIRST_LOOKS ? 1 : WEIGHT;
    const smooth = (old: number, now: number): number => old + weight * (now - old);
    this.measured = {
      hmgetMs: smooth(before.hmgetMs, found.hmgetMs),
      hgetallMs: smooth(before.hgetallMs, found.hgetallMs),
      storedFields: smooth(before.storedFields, found.storedFields),
      encoding: found.encoding,
    };
    const { hmgetMs, hgetallMs } = this.measured;
    const [ownMs, otherMs] = this.shape === 'hmget' ? [hmgetMs, hgetallMs] : [hgetallMs, hmgetMs];
    const isBetter = otherMs * BETTER_FACTOR < ownMs && otherMs + BETTER_MS < ownMs;
    this.timesBetter = isBetter ? this.timesBetter + 1 : 0;
    if (this.timesBetter >= TIMES_BETTER) {
      this.shape = this.shape === 'hmget' ? 'hgetall' : 'hmget';
      this.switches++;
      this.timesBetter = 0;
    }
  }
}
