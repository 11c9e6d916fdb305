import type { RedisError } from './redis-error.ts';

/** What the owner of a link hears of it. */
export interface LinkEvents {
  /** It is set up: commands may be sent. */
  onReady(): void;
  /** It is over, or never came to be; its commands hear of it afterwards. */
  onClosed(error: RedisError, ending: LinkEnding): void;
}

/** `broken` = the node had taken the connection; `lacks-resp3` = trying again in RESP2 may help; `failed` = anything else. */
export type LinkEnding = 'broken' | 'lacks-resp3' | 'failed';
