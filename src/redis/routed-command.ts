import type { Absence } from './absence-check.ts';
import type { RedisCommand } from './redis-command.ts';
import type { RedisError } from './redis-error.ts';

/** A command that finds its node by its slot, and tries again where that is safe. */
export interface RoutedCommand extends RedisCommand {
  isOver: boolean;
  isAsking: boolean;
  readonly slot: number;
  /** Whether any copy of the data may answer, over the connection for reads; else the primary, over the other one. */
  readonly isRead: boolean;
  /** Whether doing it twice is the same as doing it once, so that it is sent again when its answer was lost. */
  readonly isRepeatable: boolean;
  /** Addresses that have failed it; `undefined` = none yet. */
  excluded: string[] | undefined;
  /** Times that a node said that it cannot serve it now. */
  refusals: number;
  /** Times that it was lost with a connection. */
  losses: number;
  /** Times that a node sent it to another one. */
  redirections: number;
  /** Nodes that have not answered it yet: more than one where the read is hedged. */
  outstanding: number;
  /** What is known where a replica has nothing of it. */
  absence: Absence;
  /** It has failed for good; called once at most. */
  fail(error: RedisError): void;
}
