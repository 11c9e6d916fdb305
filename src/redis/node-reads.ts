/** What one node did for one read. */
export interface NodeRead {
  /** The node that answered; of what nobody answered, the one that was asked. */
  readonly address: string;
  readonly keyCount: number;
  /** From the beginning of the read to the last of its answers, on the runtime's clock. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** Whether these keys were read. */
  readonly isAnswered: boolean;
}

/** Hears of every node that a read asked, when the read is over. */
export type NodeReadObserver = (read: NodeRead) => void;

/** The answers of one read by the nodes that gave them. Made only for those who want to hear of them. */
export class NodeReads {
  private readonly startedAtMs: number;
  private readonly now: () => number;
  private readonly observer: NodeReadObserver;
  private readonly reads = new Map<string, { -readonly [K in keyof NodeRead]: NodeRead[K] }>();

  constructor(now: () => number, observer: NodeReadObserver) {
    this.now = now;
    this.startedAtMs = now();
    this.observer = observer;
  }

  note(address: string, isAnswered: boolean): void {
    const id = `${address} ${isAnswered}`;
    const known = this.reads.get(id);
    const endedAtMs = this.now();
    if (known === undefined) {
      const { startedAtMs } = this;
      this.reads.set(id, { address, keyCount: 1, startedAtMs, endedAtMs, isAnswered });
    } else {
      known.keyCount++;
      known.endedAtMs = endedAtMs;
    }
  }

  tell(): void {
    for (const read of this.reads.values()) this.observer(read);
  }
}
