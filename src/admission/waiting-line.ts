import type { SideboardError } from '../errors.ts';

/** What asks to be let in, by nothing but its message: it is not looked at before its turn. */
export interface Entrant {
  /** `Infinity` = it waits for ever. */
  readonly deadlineAtMs: number;
  /** What it keeps while it waits. */
  readonly messageBytes: number;
  /** Its turn has come. Who is let in has to leave. @param nowMs when, as `AdmissionGate.leave` wants to know */
  letIn(nowMs: number): void;
  /** It will not be let in. The error may be shared with others: do not change it. */
  refuse(error: SideboardError): void;
  /** Where it stands; the line's own. `undefined` = in no line. */
  place: PlaceInLine | undefined;
}

/** A place in a line; made only for those who wait. */
export interface PlaceInLine {
  readonly entrant: Entrant;
  readonly sinceMs: number;
  before: PlaceInLine | undefined;
  behind: PlaceInLine | undefined;
}

/** Who came first goes first; who goes away leaves at once. */
export class WaitingLine {
  count = 0;
  /** Of all their messages. */
  bytes = 0;
  private first: PlaceInLine | undefined;
  private last: PlaceInLine | undefined;

  /** Who is next; `undefined` = nobody waits. */
  get next(): PlaceInLine | undefined {
    return this.first;
  }

  /** How long the next one has waited, which is how long somebody who comes now has to expect to. */
  waitedMs(nowMs: number): number {
    return this.first === undefined ? 0 : nowMs - this.first.sinceMs;
  }

  push(entrant: Entrant, nowMs: number): void {
    const place = { entrant, sinceMs: nowMs, before: this.last, behind: undefined };
    if (this.last === undefined) this.first = place;
    else this.last.behind = place;
    this.last = place;
    entrant.place = place;
    this.count += 1;
    this.bytes += entrant.messageBytes;
  }

  /** Takes somebody out, from wherever it stands; nothing happens to one that stands nowhere. */
  remove(entrant: Entrant): void {
    const { place } = entrant;
    if (place === undefined) return;
    if (place.before === undefined) this.first = place.behind;
    else place.before.behind = place.behind;
    if (place.behind === undefined) this.last = place.before;
    else place.behind.before = place.before;
    // A place that was left long ago must not keep the one behind it, and that one the next, from the scavenger.
    place.before = undefined;
    place.behind = undefined;
    entrant.place = undefined;
    this.count -= 1;
    this.bytes -= entrant.messageBytes;
  }
}
