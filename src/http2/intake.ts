import type { Duplex } from 'node:stream';

/** So much is taken of a connection in one turn: the others, and the replies of the store, have theirs before the rest. */
const TURN_BYTES = 64 * 1024;
/** Unsent bytes in the socket and before it from which on nothing more is read: whoever does not read need not write. */
const MAX_UNSENT_BYTES = 1024 * 1024;

/** When the socket of a connection is read, and when not. */
export class Intake {
  private readonly socket: Duplex;
  private turnBytes = 0;
  /** Nothing is read for now, because the client does not read either. */
  isHeldBack = false;

  constructor(socket: Duplex) {
    this.socket = socket;
  }

  /** Something has come. True: that was enough for this turn, `readOn` has to follow in the next one. */
  take(length: number): boolean {
    this.turnBytes += length;
    if (this.turnBytes < TURN_BYTES) return false;
    this.turnBytes = 0;
    this.socket.pause();
    return true;
  }

  /** What came in this turn has been dealt with. */
  endTurn(): void {
    this.turnBytes = 0;
  }

  readOn(): void {
    if (!this.isHeldBack) this.socket.resume();
  }

  /** The socket is full: when far too much waits for it, reading stops until it has drained. */
  holdBack(): void {
    if (this.isHeldBack || this.socket.writableLength <= MAX_UNSENT_BYTES) return;
    this.isHeldBack = true;
    this.socket.pause();
  }

  drained(): void {
    if (!this.isHeldBack) return;
    this.isHeldBack = false;
    this.socket.resume();
  }
}
