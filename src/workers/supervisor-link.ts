import type { Socket } from 'node:net';
import type { Door } from '../connection-router.ts';
import type { FromWorker, MetricsJson, ToWorker } from './message.ts';

/** What a worker does for its supervisor. */
export interface WorkerDuties {
  /** Takes over a connection that the supervisor accepted. */
  accept(socket: Socket, door: Door): void;
  collect(): Promise<MetricsJson>;
  /** Answers what has arrived; resolves when that is done. Called once. */
  drain(): Promise<void>;
}

/** The worker's end of the channel to its supervisor. */
export interface SupervisorLink {
  /** Tells that requests are welcome from here on. */
  announce(port: number | undefined): void;
  /** Drains now, without being told to. */
  drain(): void;
}

/** The channel of a process that `child_process.fork` made; `process` is one. */
export type WorkerChannel = Pick<NodeJS.Process, 'on' | 'send' | 'disconnect' | 'connected'>;

/**
 * Serves the supervisor until it says to drain, or is gone: then the worker drains too.
 *
 * @param onDone called when the worker has drained and said farewell, with the error if draining failed
 */
export function linkToSupervisor(
  channel: WorkerChannel,
  duties: WorkerDuties,
  onDone: (error?: unknown) => void,
): SupervisorLink {
  let drained: Promise<void> | undefined;
  let closedCount = 0;
  const say = (message: FromWorker): Promise<void> =>
    new Promise((resolve) => {
      // A supervisor that is gone is heard of by 'disconnect'.
      if (channel.connected) channel.send?.(message, undefined, {}, () => resolve());
      else resolve();
    });
  const onClosed = (): void => {
    closedCount += 1;
    if (closedCount > 1) return;
    setImmediate(() => {
      void say({ kind: 'closed', count: closedCount });
      closedCount = 0;
    });
  };
  const take = (id: number, door: Door, socket: Socket | undefined): void => {
    // Said before anything is read of it: what the supervisor does not know to be taken, it gives to another worker.
    void say({ kind: 'taken', id });
    if (socket === undefined) {
      onClosed();
      return;
    }
    socket.once('close', onClosed);
    socket.setNoDelay(true);
    duties.accept(socket, door);
  };
  const drain = (): void => {
    drained ??= duties
      .drain()
      .then(() => duties.collect())
      .then((metrics) => say({ kind: 'farewell', metrics }));
    drained.then(() => onDone(), onDone);
  };

  channel.on('message', (message: unknown, handle: unknown) => {
    const said = message as ToWorker;
    if (said.kind === 'connection') take(said.id, said.door, handle as Socket | undefined);
    else if (said.kind === 'drain') drain();
    else {
      void duties.collect().then((metrics) => say({ kind: 'metrics', id: said.id, metrics }));
    }
  });
  channel.on('disconnect', drain);
  return { announce: (port) => void say({ kind: 'serving', port }), drain };
}
