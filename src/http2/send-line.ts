/** What stands in line. */
export interface InLine<S> {
  isInLine: boolean;
  nextInLine: S | undefined;
  previousInLine: S | undefined;
}

/**
 * The streams of a connection that have something to send and a window for it, in the order of their turns. A list through
 * the streams themselves: to stand in line costs nothing, and a stream that is over leaves it at once. It would wait for
 * its turn with all that it holds, and where the client shuts the window of the connection no turn comes.
 */
export class SendLine<S extends InLine<S>> {
  first: S | undefined;
  private last: S | undefined;

  /** Puts a stream at the end, unless it is in line. */
  join(stream: S): void {
    if (stream.isInLine) return;
    stream.isInLine = true;
    stream.previousInLine = this.last;
    if (this.last === undefined) this.first = stream;
    else this.last.nextInLine = stream;
    this.last = stream;
  }

  /** Takes a stream out, wherever it stands, if it does. */
  leave(stream: S): void {
    if (!stream.isInLine) return;
    const { previousInLine: previous, nextInLine: next } = stream;
    if (previous === undefined) this.first = next;
    else previous.nextInLine = next;
    if (next === undefined) this.last = previous;
    else next.previousInLine = previous;
    stream.isInLine = false;
    stream.previousInLine = undefined;
    stream.nextInLine = undefined;
  }
}
