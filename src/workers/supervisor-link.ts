import type { Socket } from 'node:net';
import type { Door } from '../port/connection-router.ts';
import type {
  FromWorker,
  MetricsJson,
  RegistryAnswer,
  RegistryState,
  ToWorker,
} from './message.ts';
import type { RegistryChannel } from './supervised-origin.ts';

/** What a worker that serves does for its supervisor. */
export interface WorkerDuties {
  /** Takes over a connection that the supervisor accepted. */
  accept(socket: Socket, door: Door): void;
  collect(): Promise<MetricsJson>;
  /** Answers what has arrived; resolves when that is done. Called once. */
  drain(): Promise<void>;
}

/** The worker's end of the channel to its supervisor. */
export interface SupervisorLink {
  readonly registry: RegistryChannel;
  /**
   * Serves the supervisor until it says to drain, or is gone: then the worker drains too.
   *
   * @param port where the worker listens itself, if it does
   */
  serve(duties: WorkerDuties, port: number | undefined): void;
  /** Drains without being told to. */
  drain(): void;
}

/** The channel of a process that `child_process.fork` made; `process` is one. */
export type WorkerChannel = Pick<NodeJS.Process, 'on' | 'send' | 'connected'>;

/**
 * Listens to the supervisor, from the first moment on.
 *
 * @param onDone called when the worker has drained and said farewell, with the error if draining failed
 */
export function linkToSupervisor(
  channel: WorkerChannel,
  onDone: (error?: unknown) => void,
): SupervisorLink {
  let duties: WorkerDuties | undefined;
  let isLeaving = false;
  let closedCount = 0;
  let registryState: RegistryState = { generation: 0, isKnown: false };
  let nextQuestion = 0;
  const questions = new Map<number, (answer: RegistryAnswer) => void>();
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
    if (socket === undefined || duties === undefined) {
      onClosed();
      return;
    }
    socket.once('close', onClosed);
    socket.setNoDelay(true);
    duties.accept(socket, door);
  };
  const leave = async (leaving: WorkerDuties): Promise<void> => {
    await leaving.drain();
    await say({ kind: 'farewell', metrics: await leaving.collect() });
  };
  const drain = (): void => {
    if (isLeaving) return;
    isLeaving = true;
    if (duties !== undefined) leave(duties).then(() => onDone(), onDone);
  };
  const hear = (said: ToWorker, socket: Socket | undefined): void => {
    switch (said.kind) {
      case 'connection':
        take(said.id, said.door, socket);
        break;
      case 'collect':
        void duties?.collect().then((metrics) => say({ kind: 'metrics', id: said.id, metrics }));
        break;
      case 'registry-state':
        registryState = said;
        break;
      case 'registry':
        if (said.answer.bytes !== undefined) {
          registryState = { generation: said.answer.generation, isKnown: true };
        }
        questions.get(said.id)?.(said.answer);
        questions.delete(said.id);
        break;
      case 'drain':
        drain();
        break;
    }
  };

  channel.on('message', (message: unknown, handle: unknown) =>
    hear(message as ToWorker, handle as Socket | undefined),
  );
  channel.on('disconnect', drain);
  return {
    registry: {
      get state() {
        return registryState;
      },
      ask(isFresh): Promise<RegistryAnswer> {
        const id = nextQuestion++;
        return new Promise((resolve) => {
          questions.set(id, resolve);
          void say({ kind: 'registry', id, isFresh });
        });
      },
    },
    serve(given, port): void {
      duties = given;
      if (isLeaving) leave(given).then(() => onDone(), onDone);
      else void say({ kind: 'serving', port });
    },
    drain,
  };
}
