import type { Entrant } from './waiting-line.ts';

/** While they fail, one is tried so often. */
const TRIAL_MS = 50;
/** The share of those that are let in after the first success; it doubles with each, and is halved by each failure. */
const FIRST_SHARE = 1 / 8;

/**
 * Whether somebody is let in whose answer is expected to come too late. What is expected is what others took, and reads of another
 * kind may be much faster; but who is refused is never measured. So one of them is let in now and then, one at a time, and when
 * it makes its deadline, more are, until all are that come.
 */
export class LateTrials {
  private share = 0;
  /** How much of the next one is let in: it is when this is 1. */
  private due = 0;
  private trial: Entrant | undefined;
  /** When the trial was let in; `undefined` = it waits. */
  private enteredAtMs: number | undefined;
  /** 0 = nobody was late so far. */
  private nextAtMs = 0;

  /** Somebody has come whose answer is expected too late. True: it may try all the same. */
  mayTry(entrant: Entrant, nowMs: number): boolean {
    if (this.nextAtMs === 0) this.nextAtMs = nowMs + TRIAL_MS;
    if (this.trial === undefined && nowMs >= this.nextAtMs) {
      this.trial = entrant;
      this.enteredAtMs = undefined;
      this.nextAtMs = nowMs + TRIAL_MS;
      return true;
    }
    this.due += this.share;
    if (this.due < 1) return false;
    this.due -= 1;
    return true;
  }

  letIn(entrant: Entrant, nowMs: number): void {
    if (entrant === this.trial) this.enteredAtMs = nowMs;
  }

  /** It will not be let in. */
  gone(entrant: Entrant): void {
    if (entrant === this.trial) this.end(false);
  }

  /** Somebody has left. @param enteredAtMs when it was let in; those who were together with the trial stand for it */
  left(nowMs: number, enteredAtMs: number, isMeasured: boolean): void {
    if (this.trial === undefined || enteredAtMs !== this.enteredAtMs) return;
    this.end(isMeasured && nowMs < this.trial.deadlineAtMs);
  }

  private end(isInTime: boolean): void {
    this.trial = undefined;
    this.enteredAtMs = undefined;
    if (isInTime) this.share = Math.min(Math.max(2 * this.share, FIRST_SHARE), 1);
    else this.share = this.share > FIRST_SHARE ? this.share / 2 : 0;
  }
}
