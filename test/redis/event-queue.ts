/** Something that happens at a moment of a simulated clock. */
export interface SimulatedEvent {
  readonly atMs: number;
  /** Of two at the same moment the first made is the first to happen. */
  readonly order: number;
  isCancelled: boolean;
  readonly run: () => void;
}

/** Events by their time, as a binary heap: simulations make thousands of them, and cancel most timers. */
export class EventQueue {
  private readonly heap: SimulatedEvent[] = [];

  /** Events that are still to happen; goes through all of them. */
  get count(): number {
    return this.heap.filter(({ isCancelled }) => !isCancelled).length;
  }

  push(event: SimulatedEvent): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isSooner(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  /** Takes the next event until a moment, that moment included; `undefined` = there is none. */
  takeUntil(untilMs: number): SimulatedEvent | undefined {
    for (;;) {
      const first = this.heap[0];
      if (first === undefined || (!first.isCancelled && first.atMs > untilMs)) return undefined;
      this.dropFirst();
      if (!first.isCancelled) return first;
    }
  }

  private dropFirst(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isSooner(heap[child + 1]!, heap[child]!)) child++;
      if (!isSooner(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isSooner(a: SimulatedEvent, b: SimulatedEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
