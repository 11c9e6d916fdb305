import { fork, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Door } from '../port/connection-router.ts';
import type {
  FromWorker,
  MetricsJson,
  RegistryAnswer,
  RegistryState,
  ToWorker,
} from './message.ts';

/** A connection that was accepted, paused, with nothing read of it. */
export interface WaitingConnection {
  readonly socket: Socket;
  readonly door: Door;
}

/** How a worker ended. */
export interface WorkerExit {
  /** `null` after a signal. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Connections that it was given and had not taken: they are whole. */
  readonly untaken: readonly WaitingConnection[];
  /** Its last metrics: of its farewell, or what was collected before. */
  readonly metrics: MetricsJson;
}

/** One worker, as the supervisor sees it. */
export interface WorkerProcess {
  readonly pid: number;
  /** Resolves to the port that it listens on itself, if it does; stays open when it ends before. */
  readonly serving: Promise<number | undefined>;
  readonly exited: Promise<WorkerExit>;
  /** Connections that it has been given and has not closed. */
  readonly connectionCount: number;
  /** Gives it a connection. */
  give(connection: WaitingConnection): void;
  /** Its metrics now; the last known ones when it does not answer within `timeoutMs`. */
  collect(timeoutMs: number): Promise<MetricsJson>;
  /** Lets it answer what has arrived, and end. */
  drain(): void;
  /** Tells it what is known of the registry now. */
  tellRegistry(state: RegistryState): void;
  kill(): void;
}

/** What is started, as for `child_process.fork`. */
export interface WorkerCommand {
  readonly modulePath: string;
  readonly args: readonly string[];
}

/** @param readRegistry answers workers that ask their supervisor for the registry */
export function startWorkerProcess(
  { modulePath, args }: WorkerCommand,
  readRegistry?: (isFresh: boolean) => Promise<RegistryAnswer>,
): WorkerProcess {
  const child = fork(modulePath, args, { serialization: 'advanced' });
  const untaken = new Map<number, WaitingConnection>();
  const collecting = new Map<number, (metrics: MetricsJson) => void>();
  let nextId = 0;
  let connectionCount = 0;
  let lastMetrics: MetricsJson = [];
  const serving = Promise.withResolvers<number | undefined>();

  child.on('message', (message) => {
    const said = message as unknown as FromWorker;
    switch (said.kind) {
      case 'serving':
        serving.resolve(said.port);
        break;
      case 'taken':
        // The worker has a descriptor of its own now.
        untaken.get(said.id)?.socket.destroy();
        untaken.delete(said.id);
        break;
      case 'closed':
        connectionCount -= said.count;
        break;
      case 'registry':
        void readRegistry?.(said.isFresh).then((answer) =>
          say({ kind: 'registry', id: said.id, answer }),
        );
        break;
      case 'farewell':
        lastMetrics = said.metrics;
        break;
      case 'metrics':
        lastMetrics = said.metrics;
        collecting.get(said.id)?.(said.metrics);
        break;
    }
  });
  const say = (message: ToWorker, socket?: Socket): void => {
    // A worker that is gone is heard of by 'exit', which also tells what it had not taken.
    child.send(message, socket, { keepOpen: true }, () => {});
  };

  return {
    pid: child.pid ?? 0,
    serving: serving.promise,
    exited: exitOf(child).then(([code, signal]) => {
      for (const resolve of collecting.values()) resolve(lastMetrics);
      return { code, signal, untaken: [...untaken.values()], metrics: lastMetrics };
    }),
    get connectionCount() {
      return connectionCount;
    },
    give(connection): void {
      const id = nextId++;
      connectionCount += 1;
      untaken.set(id, connection);
      say({ kind: 'connection', id, door: connection.door }, connection.socket);
    },
    async collect(timeoutMs): Promise<MetricsJson> {
      const id = nextId++;
      const answer = Promise.withResolvers<MetricsJson>();
      collecting.set(id, answer.resolve);
      const timer = setTimeout(() => answer.resolve(lastMetrics), timeoutMs);
      say({ kind: 'collect', id });
      try {
        return await answer.promise;
      } finally {
        clearTimeout(timer);
        collecting.delete(id);
      }
    },
    drain: () => say({ kind: 'drain' }),
    tellRegistry: (state) => say({ kind: 'registry-state', ...state }),
    kill: () => void child.kill('SIGKILL'),
  };
}

/** Resolves when the process is gone and everything that it had said has been heard. */
async function exitOf(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  const disconnected = new Promise<void>((resolve) => child.once('disconnect', resolve));
  const ended = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('exit', (code, signal) => resolve([code, signal]));
    // That it could not be sent to is told by 'exit' as well.
    child.on('error', () => {
      if (child.pid === undefined) resolve([1, null]);
    });
  });
  if (child.connected) await disconnected;
  return ended;
}
