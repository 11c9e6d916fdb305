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

/** A caller that waits for several things, until the last of them, a failure, its deadline or its going away. */
export class Waiting {
  readonly finished: Promise<void>;
  isOver = false;
  private readonly settle: PromiseWithResolvers<void>;
  private readonly timer: RedisTimer | undefined;
  private readonly signal: CallSignal | undefined;
  private readonly onEnd: () => void;
  private pending: number;

  /**
   * @param timeoutMs the longest wait where the deadline allows more.
   * @param onSilence called when `timeoutMs` has passed; whatever it does not fail goes on waiting.
   * @param onEnd called once, when nobody waits any more.
   * @throws RedisError DEADLINE, CANCELLED where the caller need not even begin.
   */
  constructor(
    runtime: RedisRuntime,
    limits: CallLimits,
    timeoutMs: number,
    pending: number,
    onSilence: () => void,
    onEnd: () => void,
  ) {
    const { deadlineAtMs, signal } = limits;
    const leftMs = deadlineAtMs - runtime.now();
    if (signal?.aborted === true) {
      throw new RedisError('CANCELLED', 'the caller went away');
    }
    if (leftMs <= 0) {
      throw new RedisError('DEADLINE', 'the deadline has passed before Redis was asked');
    }
    this.settle = Promise.withResolvers<void>();
    this.finished = this.settle.promise;
    this.pending = pending;
    this.onEnd = onEnd;
    this.signal = signal;
    this.timer = runtime.setTimer(
      () => {
        if (leftMs <= timeoutMs) {
          this.fail(new RedisError('DEADLINE', 'the deadline has passed while waiting for Redis'));
        } else {
          onSilence();
        }
      },
      Math.min(leftMs, timeoutMs),
    );
    signal?.addEventListener('abort', this.onAbort, { once: true });
    if (pending === 0) {
      this.end();
      this.settle.resolve();
    }
  }

  /** One thing less to wait for. */
  countDown(): void {
    if (--this.pending === 0 && !this.isOver) {
      this.end();
      this.settle.resolve();
    }
  }

  fail(error: RedisError): void {
    if (!this.isOver) {
      this.end();
      this.settle.reject(error);
    }
  }

  private readonly onAbort = (): void => {
    this.fail(new RedisError('CANCELLED', 'the caller went away'));
  };

  private end(): void {
    this.isOver = true;
    this.timer?.cancel();
    this.signal?.removeEventListener('abort', this.onAbort);
    this.onEnd();
  }
}
