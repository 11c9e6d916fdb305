import { RedisError } from './redis-error.ts';
import type { RedisRuntime, RedisTimer } from './redis-runtime.ts';

/** Whether a caller is still there: the part of `AbortSignal` that is needed, so that one is one. */
export interface CallSignal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void, options?: { once: true }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** How long a caller waits. */
export interface CallLimits {
  /** On the runtime's clock; `Infinity` = none. */
  readonly deadlineAtMs: number;
  /** Aborted when the caller went away. */
  readonly signal?: CallSignal | undefined;
}

/** On whose behalf a caller waits. */
export interface Waiter<T> {
  /** What the caller gets when there is nothing more to wait for. */
  result(): T;
  /** The longest wait is over; whatever does not fail now goes on waiting. */
  onSilence(): void;
  /** Called once, when nobody waits any more. @param error why, where it failed */
  onEnd(error?: RedisError): void;
}

/** A caller that waits for several things, until the last of them, a failure, its deadline or its going away. */
export class Waiting<T> {
  readonly finished: Promise<T>;
  readonly startedAtMs: number;
  isOver = false;
  private readonly settle: PromiseWithResolvers<T>;
  private readonly timer: RedisTimer | undefined;
  private readonly signal: CallSignal | undefined;
  private readonly waiter: Waiter<T>;
  private pending: number;

  /**
   * @param timeoutMs the longest wait where the deadline allows more.
   * @throws RedisError DEADLINE, CANCELLED where the caller need not even begin.
   */
  constructor(
    runtime: RedisRuntime,
    limits: CallLimits,
    timeoutMs: number,
    pending: number,
    waiter: Waiter<T>,
  ) {
    const { deadlineAtMs, signal } = limits;
    this.startedAtMs = runtime.now();
    const leftMs = deadlineAtMs - this.startedAtMs;
    if (signal?.aborted === true) {
      throw new RedisError('CANCELLED', 'the caller went away');
    }
    if (leftMs <= 0) {
      throw new RedisError('DEADLINE', 'the deadline has passed before Redis was asked');
    }
    this.settle = Promise.withResolvers<T>();
    this.finished = this.settle.promise;
    this.pending = pending;
    this.waiter = waiter;
    this.signal = signal;
    this.timer = runtime.setTimer(
      () => {
        if (leftMs <= timeoutMs) {
          this.fail(new RedisError('DEADLINE', 'the deadline has passed while waiting for Redis'));
        } else {
          waiter.onSilence();
        }
      },
      Math.min(leftMs, timeoutMs),
    );
    signal?.addEventListener('abort', this.onAbort, { once: true });
    if (pending === 0) this.succeed();
  }

  /** One thing less to wait for. */
  countDown(): void {
    if (--this.pending === 0 && !this.isOver) this.succeed();
  }

  fail(error: RedisError): void {
    if (!this.isOver) {
      this.end(error);
      this.settle.reject(error);
    }
  }

  private succeed(): void {
    this.end();
    this.settle.resolve(this.waiter.result());
  }

  private readonly onAbort = (): void => {
    this.fail(new RedisError('CANCELLED', 'the caller went away'));
  };

  private end(error?: RedisError): void {
    this.isOver = true;
    this.timer?.cancel();
    this.signal?.removeEventListener('abort', this.onAbort);
    this.waiter.onEnd(error);
  }
}
