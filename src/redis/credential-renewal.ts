import { callNode } from './call-command.ts';
import type { ConnectionOptions, RedisCredentials } from './connection-options.ts';
import { authenticationWords } from './connection-setup.ts';
import type { RedisConnection } from './redis-connection.ts';
import type { RedisTimer } from './redis-runtime.ts';

/** A share of the lifetime of credentials after which new ones are asked for, while the old ones still work. */
const RENEW_AT = 0.75;
/** What is tried again and again is tried no more often than credentials would be renewed that last so long. */
const MIN_LIFETIME_MS = 2_000;
/** Timers of Node hold at most this. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Asks for new credentials before the old ones expire, and presents them on the connection that stands. */
export class CredentialRenewal {
  private readonly connection: RedisConnection;
  private readonly options: ConnectionOptions;
  private timer: RedisTimer | undefined;
  /** Counts up whenever what is under way has lost its meaning. */
  private round = 0;

  constructor(connection: RedisConnection, options: ConnectionOptions) {
    this.connection = connection;
    this.options = options;
  }

  /** The connection stands, with these credentials. */
  begin({ lifetimeMs }: RedisCredentials): void {
    this.end();
    if (lifetimeMs !== undefined) this.renewBefore(lifetimeMs);
  }

  /** It does not stand any more. */
  end(): void {
    this.round++;
    this.timer?.cancel();
  }

  private renewBefore(lifetimeMs: number): void {
    this.wait(lifetimeMs * RENEW_AT, () => void this.renew(lifetimeMs * (1 - RENEW_AT)));
  }

  private wait(delayMs: number, run: () => void): void {
    const stepMs = Math.min(delayMs, MAX_TIMER_MS);
    this.timer = this.options.runtime.setTimer(
      () => (stepMs < delayMs ? this.wait(delayMs - stepMs, run) : run()),
      stepMs,
    );
  }

  /** @param leftMs for which the old ones are still good. */
  private async renew(leftMs: number): Promise<void> {
    const { round } = this;
    try {
      const renewed = await this.options.credentials();
      if (round !== this.round) return;
      const words = authenticationWords(renewed);
      if (words.length > 0) await callNode(this.connection, ['AUTH', ...words]);
      if (round === this.round) this.begin(renewed);
    } catch {
      // They may come, or be taken, the next time; a server that takes neither old nor new ones ends the connection.
      if (round === this.round) this.renewBefore(Math.max(leftMs, MIN_LIFETIME_MS));
    }
  }
}
