import { LatencyBaseline } from './latency-baseline.ts';
import { measuredIn, openWindow, type LatencyWindow, type Measured } from './latency-window.ts';
import { RequestCost } from './request-cost.ts';
import { WorkCount } from './work-count.ts';

/** Requests may take so many times as long as when none waits for another. */
const TOLERANCE = 1.75;
/** What a request may take beyond that: noise of timers is no overload. */
const SLACK_MS = 0.25;
/** A window ends when it has lasted so long and has seen so many requests, … */
const WINDOW_MS = 20;
const WINDOW_SAMPLES = 20;
/** … or after this time with any. */
const LONGEST_WINDOW_MS = 1000;
/** How far one window may take the limit up and down. */
const LARGEST_GROWTH = 1.5;
const LARGEST_CUT = 0.25;
/** A queue that stands for so long is an overload; a shorter one is a burst, or a pause of garbage collection. */
const PATIENCE_MS = 40;
/** When requests were fast and nobody was kept out for so long, the overload is over: … */
const CALM_MS = 500;
/** … a burst is welcome, as far as it keeps the process busy for this time, and is so many times what is in work usually. */
const BURST_MS = 20;
const BURST_FACTOR = 8;
/** A probe lets in this share of the requests that could be in work without any waiting, and looks at so many. */
const PROBE_SHARE = 0.5;
const PROBE_SAMPLES = 20;
/** Where so few keep the process and its store busy, one of them waits for another, and fewer are let in for a probe. */
const FEW = 4;
const PROBE_TIMEOUT_MS = 500;
const PROBE_TIMEOUT_FACTOR = 10;
/** A probe that measured requests alone is good for so long; … */
const PROBE_INTERVAL_MS = 5000;
/** … one that only found a queue is repeated after this, and ever later. */
const PROBE_AGAIN_MS = 1000;
const PROBE_LATEST_MS = 64_000;
/** Of a step that changed the number of requests in work by less than this nothing is learned. */
const LEAST_STEP = 1.4;

export interface ConcurrencyLimitOptions {
  /** Where it begins, and what it is at least while there is no overload. */
  readonly initial: number;
  /** What it never falls below, unless fewer keep the process busy for some milliseconds. */
  readonly min: number;
  readonly max: number;
  /** How long the process has been busy since it started, milliseconds; it tells what a request costs. */
  readonly busyMs: () => number;
}

/**
 * How many requests may be in work at once, so that those stay fast while capacity is used; the others wait.
 *
 * Without overload it is what a burst may be: a short queue harms nobody. When requests keep taking longer than they would
 * alone, it is moved window by window by the ratio of the wanted latency to the measured one: by Little's law the mean
 * latency is the number of requests in work divided by their rate.
 *
 * Under overload no request is ever alone, and a store that became slower would look like a queue. So the limit is taken
 * down from time to time for as long as a few requests take (a probe, as BBR makes them): what they take then is what they
 * take alone. The same is learned from the first cut, and, where the floor leaves no room below, from a step up.
 *
 * A request that is stuck, as behind a node that hangs, gives its place to another: it costs nothing but memory, and must not
 * keep out those that other nodes answer. The limit is then of what came lately; all together are bounded by who asks.
 *
 * Reads no clock: times are milliseconds on any clock that does not go back.
 */
export class ConcurrencyLimit {
  private readonly work: WorkCount;
  private readonly cost = new RequestCost();
  private readonly options: ConcurrencyLimitOptions;
  private readonly baseline: LatencyBaseline;
  private limit: number;
  /** The limit follows latency; otherwise it is what a burst may be. */
  private isOverloaded = false;
  private probe: Probe | undefined;
  private nextProbeAtMs = 0;
  private probeAgainMs = PROBE_AGAIN_MS;
  /** What was measured before the limit was halved or doubled, until it is seen what that did. */
  private beforeStep: Measured | undefined;
  private window: LatencyWindow;
  /** Since when every window was slow or kept somebody out, or since when none was. */
  private moodSinceMs: number;
  private wasPressed = false;
  private lastMeanMs = 0;
  /** Of the two windows before the last one. */
  private earlierMeansMs: readonly [number, number] = [0, 0];
  private lastSampleAtMs = -Infinity;

  constructor(options: ConcurrencyLimitOptions, nowMs: number) {
    this.options = options;
    this.limit = options.initial;
    this.work = new WorkCount(nowMs);
    this.baseline = new LatencyBaseline(nowMs);
    this.moodSinceMs = nowMs;
    this.window = openWindow(nowMs, options.busyMs());
  }

  /** The limit now; a fraction, of which the whole part counts. */
  get current(): number {
    return this.probe?.limit ?? this.limit;
  }

  /** Requests in work, stuck ones among them. */
  get workCount(): number {
    return this.work.total;
  }

  /** Mean latency of an unhurried request, milliseconds; `Infinity` = not known yet. */
  get baselineMs(): number {
    return this.baseline.ms;
  }

  /** Takes a place, if there is one. Every place that was taken has to be left. */
  tryEnter(nowMs: number): boolean {
    this.work.passOverStuck(nowMs, this.baseline.ms, this.lastMeanMs);
    if (this.work.moving + 1 > this.current) {
      this.window.refusedAny = true;
      return false;
    }
    this.work.add(nowMs);
    return true;
  }

  /** Somebody was refused, which is work too. */
  refused(): void {
    this.window.refusedCount += 1;
  }

  /**
   * Leaves a place.
   *
   * @param enteredAtMs when it was taken
   * @param isMeasured false = its latency says nothing, as of a caller who went away
   */
  leave(nowMs: number, enteredAtMs: number, isMeasured: boolean): void {
    const inWork = this.work.total;
    this.work.remove(enteredAtMs);
    const { window } = this;
    window.leftCount += 1;
    if (this.probe?.isUp === true) {
      // A longer queue takes its own time to be felt.
      if (window.refusedAny) window.settledAtMs ??= nowMs + 2 * this.lastMeanMs;
    } else if (this.work.moving < this.current) {
      window.settledAtMs ??= nowMs;
    }
    // Requests of before tell of the limit before.
    if (isMeasured && enteredAtMs >= (window.settledAtMs ?? Infinity)) {
      window.sampleCount += 1;
      window.latencySumMs += nowMs - enteredAtMs;
      window.inWorkSum += inWork;
      this.lastSampleAtMs = nowMs;
    }
    if (this.probe === undefined) this.endWindowIfDue(nowMs);
    else this.endProbeIfDue(this.probe, nowMs);
  }

  /**
   * How long a request that begins now will take at least, milliseconds; 0 = unknown, or none is in work. One slow window is a
   * pause of the process, and no reason to think that the next one is.
   */
  expectedMs(nowMs: number): number {
    if (this.work.total === 0 || nowMs - this.lastSampleAtMs > LONGEST_WINDOW_MS) return 0;
    const [before, beforeThat] = this.earlierMeansMs;
    return Math.min(this.lastMeanMs, before, beforeThat);
  }

  /** What the limit never falls below. */
  private get floor(): number {
    return this.cost.fewest(this.options.min);
  }

  private endWindowIfDue(nowMs: number): void {
    const { window } = this;
    const lastedMs = nowMs - window.startedAtMs;
    if (lastedMs < WINDOW_MS || window.sampleCount === 0) return;
    if (window.sampleCount < WINDOW_SAMPLES && lastedMs < LONGEST_WINDOW_MS) return;
    const measured = measuredIn(window, nowMs);
    const { meanMs } = measured;
    const busyMs = this.options.busyMs();
    this.earlierMeansMs = [this.lastMeanMs, this.earlierMeansMs[0]];
    this.lastMeanMs = meanMs;
    this.learnFromStep(measured);
    this.baseline.add(meanMs);
    this.cost.learn(
      window,
      lastedMs,
      busyMs - window.busyBeforeMs,
      this.isOverloaded && window.refusedAny,
    );
    const wantedMs = this.baseline.ms * TOLERANCE + SLACK_MS;
    const perMs = window.leftCount / lastedMs;
    // With one in work on average, as when a request came after an idle hour, none waited for another.
    const isPressed = window.refusedAny || (meanMs > wantedMs && perMs * meanMs > 1);
    if (isPressed !== this.wasPressed) this.moodSinceMs = window.startedAtMs;
    this.wasPressed = isPressed;
    const moodMs = nowMs - this.moodSinceMs;
    if (this.isOverloaded) {
      if (isPressed) this.adapt(meanMs, wantedMs);
      else if (moodMs >= CALM_MS) {
        this.isOverloaded = false;
        this.probeAgainMs = PROBE_AGAIN_MS;
      }
    } else if (isPressed && (window.refusedAny || moodMs >= PATIENCE_MS)) {
      this.isOverloaded = true;
      // Little's law: so many were in work on average.
      const inWork = Math.min(this.limit, perMs * meanMs);
      this.limit = this.clamp(inWork);
      this.adapt(meanMs, wantedMs);
      if (this.limit <= inWork / 2) this.beforeStep = measured;
    }
    if (!this.isOverloaded && this.cost.busyMs > 0) {
      const burst = Math.min(BURST_MS / this.cost.busyMs, perMs * meanMs * BURST_FACTOR);
      this.limit = Math.max(this.clamp(burst), this.options.initial);
    }
    if (!this.isOverloaded) this.baseline.turn(nowMs);
    else if (nowMs >= this.nextProbeAtMs) this.startProbe(perMs, measured);
    this.startWindow(nowMs, busyMs);
  }

  private startProbe(perMs: number, before: Measured): void {
    const alone = Math.max(perMs * this.baseline.ms * PROBE_SHARE, 1);
    const { floor } = this;
    const down = floor <= FEW ? alone : Math.max(alone, floor);
    const isUp = down > alone && this.limit <= floor;
    // A small step tells nothing.
    if (!isUp && down > this.limit / 2) return;
    this.probe = {
      limit: isUp ? Math.min(this.limit * 2, this.options.max) : down,
      isUp,
      isDeep: down === alone,
    };
    this.beforeStep = before;
  }

  /**
   * With half as many requests in work a queue is half as long, and what waits in none takes as long as before. What was nearer
   * to that tells what they take alone.
   */
  private learnFromStep(after: Measured): void {
    const before = this.beforeStep;
    this.beforeStep = undefined;
    if (before === undefined) return;
    const [less, more] = after.inWork < before.inWork ? [after, before] : [before, after];
    const step = more.inWork / less.inWork;
    if (step >= LEAST_STEP && more.meanMs < less.meanMs * Math.sqrt(step)) {
      this.baseline.replace(less.meanMs);
    }
  }

  /** Moves the limit by what latency says. */
  private adapt(meanMs: number, wantedMs: number): void {
    const ratio = Math.min(Math.max(wantedMs / meanMs, LARGEST_CUT), LARGEST_GROWTH);
    this.limit = this.clamp(this.limit * ratio);
  }

  private clamp(limit: number): number {
    return Math.min(Math.max(limit, this.floor), this.options.max);
  }

  private endProbeIfDue(probe: Probe, nowMs: number): void {
    const { window } = this;
    const isOver =
      nowMs - window.startedAtMs >
      Math.max(PROBE_TIMEOUT_MS, PROBE_TIMEOUT_FACTOR * this.lastMeanMs);
    if (window.sampleCount < PROBE_SAMPLES && !isOver) return;
    if (window.sampleCount > 0) {
      const measured = measuredIn(window, nowMs);
      this.learnFromStep(measured);
      // With so few in work hardly any waited for another.
      if (probe.isDeep) this.baseline.replace(measured.meanMs);
    } else if (probe.isUp && !window.refusedAny) {
      // Twice as many were more than there were.
      this.baseline.replace(this.lastMeanMs);
    }
    this.probe = undefined;
    this.nextProbeAtMs = nowMs + (probe.isDeep ? PROBE_INTERVAL_MS : this.probeAgainMs);
    if (!probe.isDeep) this.probeAgainMs = Math.min(this.probeAgainMs * 2, PROBE_LATEST_MS);
    this.startWindow(nowMs, this.options.busyMs());
  }

  private startWindow(nowMs: number, busyMs: number): void {
    this.window = openWindow(nowMs, busyMs);
    if (this.probe?.isUp !== true && this.work.moving < this.current) {
      this.window.settledAtMs = nowMs;
    }
  }
}

/** In overload: another limit for a moment, to learn what requests take alone. */
interface Probe {
  readonly limit: number;
  readonly isUp: boolean;
  /** Down to where nobody waits for another. */
  readonly isDeep: boolean;
}
