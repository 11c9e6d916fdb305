import { deadlineExceeded, type SideboardError } from '../errors.ts';
import { ConcurrencyLimit } from './concurrency-limit.ts';
import { LateTrials } from './late-trials.ts';
import { Patience } from './patience.ts';
import { Refusals } from './refusals.ts';
import { WaitingLine, type Entrant } from './waiting-line.ts';

/** While somebody waits it is looked at so often whether requests in work are stuck. */
const LOOK_MS = 10;

/** So many are in work at once before anything is measured, … */
const FIRST_LIMIT = 64;
/** … and so many whatever latency says, if they are small: as is asked for, within these. */
const LEAST_LIMIT = { min: 8, max: 32 };

/** How strict a gate is. */
export interface AdmissionOptions {
  /** How long a request may wait to be let in while more come than can be answered, milliseconds; a burst may always. */
  readonly latencyMs: number;
  /** So many requests in work and waiting are never too many. */
  readonly minRequests: number;
  /** Requests in work and waiting together. */
  readonly maxRequests: number;
  /** Of the messages of those that wait. */
  readonly maxWaitingBytes: number;
  /** How long the process has been busy since it started, milliseconds. */
  readonly busyMs: () => number;
  /** Calls back after some milliseconds, with the time. */
  readonly later: (run: (nowMs: number) => void, ms: number) => void;
}

/**
 * Lets in as many requests as keep the process and its store busy, first come, first served. The others wait outside, undecoded;
 * who would wait too long hears so at once.
 */
export interface AdmissionGate {
  /** Lets a request in, now or later, or refuses it. Who was let in has to `leave`. @param nowMs as all times on one clock */
  enter(entrant: Entrant, nowMs: number): void;
  /**
   * @param enteredAtMs when it was let in
   * @param isMeasured false = its latency says nothing, as of a caller who went away
   */
  leave(nowMs: number, enteredAtMs: number, isMeasured: boolean): void;
  /** Others wait, or there are as many as there may be at all: it is worth the while to ask `turnAway`. */
  readonly isCrowded: boolean;
  /**
   * Refuses who would be refused whatever its message and its deadline; `undefined` = it may `enter`, and may be refused then.
   */
  turnAway(nowMs: number): SideboardError | undefined;
  /** A request that may be waiting waits no longer: its caller went away, or its deadline passed. */
  withdraw(entrant: Entrant, nowMs: number): void;
  /** Requests that may be in work at once, now. */
  readonly limit: number;
  readonly waitingCount: number;
  readonly refusedCount: Refusals['counts'];
}

export function createAdmissionGate(options: AdmissionOptions, nowMs: number): AdmissionGate {
  const { latencyMs, minRequests, maxRequests, maxWaitingBytes, busyMs, later } = options;
  const limit = new ConcurrencyLimit(
    {
      initial: Math.min(FIRST_LIMIT, maxRequests),
      min: Math.min(Math.max(minRequests, LEAST_LIMIT.min), LEAST_LIMIT.max, maxRequests),
      max: maxRequests,
      busyMs,
    },
    nowMs,
  );
  const patience = new Patience(latencyMs, nowMs);
  const refusals = new Refusals();
  const trials = new LateTrials();
  const line = new WaitingLine();
  let isServing = false;
  let isLooking = false;

  const isFull = (): boolean => limit.workCount + line.count >= maxRequests;

  const areMany = (): boolean => limit.workCount + line.count >= minRequests;

  const isTooLong = (now: number): boolean =>
    patience.expectedMs(line.waitedMs(now), line.count) > patience.waitMs(now);

  const refuse = (entrant: Entrant, error: SideboardError): void => {
    limit.refused();
    trials.gone(entrant);
    entrant.refuse(error);
  };

  const letIn = (entrant: Entrant, now: number): void => {
    refusals.admitted();
    trials.letIn(entrant, now);
    entrant.letIn(now);
  };

  const wait = (entrant: Entrant, now: number): void => {
    const isTooMuch =
      isFull() || (line.count > 0 && line.bytes + entrant.messageBytes > maxWaitingBytes);
    if (isTooMuch || (areMany() && isTooLong(now))) {
      refuse(entrant, refusals.tooMany(now, limit.current));
      return;
    }
    if (line.count === 0) patience.lineBegan(now);
    line.push(entrant, now);
    lookLater();
  };

  const takeOut = (entrant: Entrant, now: number): void => {
    line.remove(entrant);
    if (line.count === 0) patience.lineEnded(now);
  };

  /** Lets in as many of those that wait as there are places. One that fails at once leaves while it is being let in. */
  const serveLine = (now: number): void => {
    if (isServing) return;
    isServing = true;
    try {
      for (let first = line.next; first !== undefined; first = line.next) {
        const { entrant, sinceMs } = first;
        if (now >= entrant.deadlineAtMs) {
          takeOut(entrant, now);
          refuse(entrant, deadlineExceeded('before its turn came'));
        } else if (areMany() && now - sinceMs > 2 * patience.waitMs(now)) {
          // The process or the store stood still meanwhile, or what looked like a burst was none.
          takeOut(entrant, now);
          refuse(entrant, refusals.tooMany(now, limit.current));
        } else {
          if (!limit.tryEnter(now)) return;
          takeOut(entrant, now);
          letIn(entrant, now);
        }
      }
    } finally {
      isServing = false;
    }
  };

  const lookLater = (): void => {
    if (isLooking) return;
    isLooking = true;
    later(look, LOOK_MS);
  };
  const look = (now: number): void => {
    isLooking = false;
    serveLine(now);
    if (line.count > 0) lookLater();
  };

  return {
    enter(entrant, now): void {
      patience.came();
      const { deadlineAtMs } = entrant;
      if (deadlineAtMs !== Infinity && areMany()) {
        // What others took tells of a queue. Few make none: a small read beside large ones may well be faster than they are.
        const expectedMs = limit.expectedMs(now) + line.waitedMs(now);
        const isLate = now + expectedMs > deadlineAtMs && now < deadlineAtMs;
        if (isLate && !trials.mayTry(entrant, now)) {
          refuse(entrant, refusals.tooLate(expectedMs));
          return;
        }
      }
      if (line.count === 0 && limit.workCount < maxRequests && limit.tryEnter(now)) {
        letIn(entrant, now);
      } else {
        wait(entrant, now);
      }
    },
    get isCrowded() {
      return line.count > 0 || limit.workCount >= maxRequests;
    },
    turnAway(now): SideboardError | undefined {
      if (!isFull() && !(areMany() && isTooLong(now))) return undefined;
      patience.came();
      limit.refused();
      return refusals.tooMany(now, limit.current);
    },
    leave(now, enteredAtMs, isMeasured): void {
      limit.leave(now, enteredAtMs, isMeasured);
      trials.left(now, enteredAtMs, isMeasured);
      patience.left(now);
      if (line.count > 0) serveLine(now);
    },
    withdraw(entrant, now): void {
      if (entrant.place === undefined) return;
      takeOut(entrant, now);
      trials.gone(entrant);
    },
    get limit() {
      return Math.floor(limit.current);
    },
    get waitingCount() {
      return line.count;
    },
    refusedCount: refusals.counts,
  };
}
