/**
 * How often a command is sent again, and how long it waits before. A caller's deadline ends everything sooner; these bounds are
 * for those that have none, and for commands that break whatever they are sent to. No command is sent again at a rate that
 * does not fall, so that all of them together are no storm.
 */

/** A read that is lost with its connection was not refused: the node is asked again until time is up, which this leaves some. */
export const MAX_LOSSES = 16;
export const MAX_REDIRECTIONS = 16;
/** Nodes that say that they cannot serve are believed sooner: nobody's request hangs on a write. */
const MAX_READ_REFUSALS = 4;
const MAX_WRITE_REFUSALS = 10;
/** Losses, and redirections, that are answered at once. */
const FREE_LOSSES = 2;
const FREE_REDIRECTIONS = 5;
const FIRST_DELAY_MS = 20;
const MAX_DELAY_MS = 500;
/** Nodes that send each other a slot agree in a moment or, being set up wrongly, never. */
const MAX_REDIRECTION_DELAY_MS = 80;

export function maxRefusals(isRead: boolean): number {
  return isRead ? MAX_READ_REFUSALS : MAX_WRITE_REFUSALS;
}

/** How long to wait after so many refusals. */
export function refusalDelayMs(refusals: number): number {
  return doubled(refusals, MAX_DELAY_MS);
}

/** How long to wait after so many losses; 0 = not at all. */
export function lossDelayMs(losses: number): number {
  return doubled(losses - FREE_LOSSES, MAX_DELAY_MS);
}

/** How long to wait after so many redirections; 0 = not at all. */
export function redirectionDelayMs(redirections: number): number {
  return doubled(redirections - FREE_REDIRECTIONS, MAX_REDIRECTION_DELAY_MS);
}

function doubled(times: number, maxMs: number): number {
  return times <= 0 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (times - 1), maxMs);
}
