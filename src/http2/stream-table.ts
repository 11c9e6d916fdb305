/** What the table keeps; streams are numbered by their client. */
interface Numbered {
  readonly id: number;
}

const LEAST_SLOTS = 8;

/**
 * The open streams of a connection, by number. Not a `Map`, for every request adds and deletes one: a `Map` that is used so
 * makes a table every few entries, and V8 lets each old table refer to the next. From the first that has reached the old
 * generation on, all are kept until the next full collection, and whatever was in them: the streams with their requests.
 *
 * An open-addressing table. Clients count up, so that streams which are open at one time lie side by side; numbers
 * that are chosen to collide make a look-up pass every open stream, and those are limited.
 */
export class StreamTable<S extends Numbered> {
  private slots: (S | undefined)[] = emptySlots(LEAST_SLOTS);
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(id: number): S | undefined {
    return this.slots[slotOf(this.slots, id)];
  }

  /** Its number must not be in the table. */
  add(stream: S): void {
    if (this.count * 2 >= this.slots.length) this.grow();
    this.slots[slotOf(this.slots, stream.id)] = stream;
    this.count += 1;
  }

  delete(id: number): void {
    const { slots } = this;
    const mask = slots.length - 1;
    let hole = slotOf(slots, id);
    if (slots[hole] === undefined) return;
    slots[hole] = undefined;
    this.count -= 1;
    // Those behind it that could not have their own place move up, or they would not be found.
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const next = slots[at];
      if (next === undefined) return;
      if (((at - placeOf(next.id)) & mask) < ((at - hole) & mask)) continue;
      slots[hole] = next;
      slots[at] = undefined;
      hole = at;
    }
  }

  /** Those that are there now, in no order; what is deleted meanwhile stays among them. */
  values(): readonly S[] {
    return this.slots.filter((stream) => stream !== undefined);
  }

  private grow(): void {
    const larger = emptySlots<S>(this.slots.length * 2);
    for (const stream of this.slots) {
      if (stream !== undefined) larger[slotOf(larger, stream.id)] = stream;
    }
    this.slots = larger;
  }
}

function emptySlots<S>(count: number): (S | undefined)[] {
  return Array.from({ length: count }, () => undefined);
}

/** Where a stream belongs, before the mask. Those of a client are odd. */
function placeOf(id: number): number {
  return id >>> 1;
}

/** The slot of a stream, or the free one where it would be. There is always a free one. */
function slotOf(slots: readonly (Numbered | undefined)[], id: number): number {
  const mask = slots.length - 1;
  let at = placeOf(id) & mask;
  for (;;) {
    const stream = slots[at];
    if (stream === undefined || stream.id === id) return at;
    at = (at + 1) & mask;
  }
}
