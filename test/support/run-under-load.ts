import type { FaultClient, FaultReader, FaultTarget } from './fault-clients.ts';
import type { KnownEntity } from './fault-cluster.ts';
import { startLoad, type LoadFigures, type RunningLoad } from './read-load.ts';
import { waitUntil } from './wait-until.ts';

/** What a fault is given to work with while loads run. */
export interface LoadStage {
  /** One per client, in their order. */
  readonly readers: readonly FaultReader[];
  /** Lets the load run. */
  wait(ms: number): Promise<void>;
  /** Remembers a figure for the report, such as how long the cluster itself took. */
  note(name: string, value: number): void;
}

/** How one client fared. */
export interface FaultFigures extends LoadFigures {
  readonly client: string;
  /** Whether it read without errors again after the fault. */
  readonly isRecovered: boolean;
  readonly notes: Readonly<Record<string, number>>;
}

/** A fault and what it is for. */
export interface FaultUnderLoad {
  readonly clients: readonly FaultClient[];
  readonly target: FaultTarget;
  readonly entities: readonly KnownEntity[];
  /** Group of an entity, for windows of errors. */
  readonly groupOf: (entity: KnownEntity) => number;
  /** Breaks something, and returns when the load has seen enough of it. */
  inject(stage: LoadStage): Promise<void>;
  /** Repairs it. */
  heal(): Promise<void>;
}

/** Reads a second of each client, and the deadline of each. */
const RATE_PER_SECOND = 150;
const TIMEOUT_MS = 400;
/** A client is well when it has read for so long without an error. */
const CALM_MS = 500;
const MIN_CALM_READS = 10;
/** How long it may take to be well after the fault is over. */
const RECOVERY_MS = 10_000;

/** Runs a fault under the loads of several clients at once, and repairs it. */
export async function runUnderLoad(fault: FaultUnderLoad): Promise<readonly FaultFigures[]> {
  const { clients, target, entities, groupOf } = fault;
  const notes: Record<string, number> = {};
  const readers: FaultReader[] = [];
  const loads: RunningLoad[] = [];
  try {
    for (const client of clients) readers.push(await client.open(target));
    for (const [i, reader] of readers.entries()) {
      const options = { ratePerSecond: RATE_PER_SECOND, timeoutMs: TIMEOUT_MS, seed: i + 1 };
      loads.push(startLoad(reader, { ...options, entities, groupOf }));
    }
    await Promise.all(loads.map((load) => calm(load)));
    await fault.inject({
      readers,
      wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      note: (name, value) => (notes[name] = value),
    });
    await fault.heal();
    const areRecovered = await Promise.all(
      loads.map((load) =>
        calm(load).then(
          () => true,
          () => false,
        ),
      ),
    );
    const figures = await Promise.all(loads.map((load) => load.stop()));
    return figures.map((each, i) => ({
      ...each,
      client: clients[i]!.name,
      isRecovered: areRecovered[i]!,
      notes,
    }));
  } finally {
    await Promise.all(loads.map((load) => load.stop()));
    await Promise.all(readers.map((reader) => reader.close()));
  }
}

async function calm(load: RunningLoad): Promise<void> {
  await waitUntil(
    () => {
      const { reads, errors } = load.recent(CALM_MS);
      return reads >= MIN_CALM_READS && errors === 0;
    },
    { what: 'a client to read without errors', timeoutMs: RECOVERY_MS },
  );
}
