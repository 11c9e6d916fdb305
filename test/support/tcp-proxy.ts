import { connect, createServer, type Server, type Socket } from 'node:net';
import { createRandom, type Random } from './random.ts';

const HOST = '127.0.0.1';

/** What a proxy does to the bytes of a connection. */
export type ProxyFault =
  /** Every chunk arrives so much later, in order. */
  | { readonly kind: 'delay'; readonly ms: number; readonly jitterMs: number }
  /** A share of the chunks is lost and sent again later, as TCP does: everything behind it waits. */
  | { readonly kind: 'loss'; readonly share: number; readonly resentAfterMs: number }
  /** Nothing arrives in either direction, and nobody is told. */
  | { readonly kind: 'black-hole' }
  /** What the server sends is lost; what the client sends arrives. */
  | { readonly kind: 'half-open' }
  /** The next bytes of the server are replaced by random ones, once. */
  | { readonly kind: 'garbage' }
  /** Half of the next bytes of the server arrive, then nothing more. */
  | { readonly kind: 'half-reply' }
  /** Half of the next bytes of the server arrive, then the connection is reset. */
  | { readonly kind: 'cut-reply' }
  /** New connections are reset. */
  | { readonly kind: 'refuse' };

/** Which connections a fault is for: those that stand, those to come, or both; of clients or of replicas. */
export interface FaultScope {
  readonly which?: 'standing' | 'coming' | 'all';
  readonly of?: 'clients' | 'replicas';
}

/** A TCP proxy in front of one Redis that spoils connections byte by byte. */
export interface TcpProxy {
  readonly port: number;
  /** When connections were accepted, on the clock of `performance.now()`. */
  readonly acceptedAtMs: readonly number[];
  connectionCount(of?: 'clients' | 'replicas'): number;
  /** Does it from now on, until another fault or `heal`. */
  inject(fault: ProxyFault, scope?: FaultScope): void;
  /** Resets connections of clients. */
  cut(): void;
  /** What arrives from now on passes; connections that have lost bytes are reset, as nothing can follow on them. */
  heal(): void;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** A replica on the other side, told by its first words. */
  isReplica: boolean;
  fault: ProxyFault | undefined;
  hasLostBytes: boolean;
}

/** Starts a proxy on a port of its own (or `port`). @param seed of what chance decides. */
export async function startProxy(
  target: { readonly host?: string; readonly port: number },
  { port = 0, seed = 1 }: { readonly port?: number; readonly seed?: number } = {},
): Promise<TcpProxy> {
  const random = createRandom(seed);
  const pairs = new Set<Pair>();
  const acceptedAtMs: number[] = [];
  let coming: ProxyFault | undefined;
  const server = createServer((client) => {
    acceptedAtMs.push(performance.now());
    if (coming?.kind === 'refuse') {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ host: target.host ?? HOST, port: target.port, noDelay: true });
    client.setNoDelay(true);
    const pair: Pair = {
      client,
      server: upstream,
      isReplica: false,
      fault: coming,
      hasLostBytes: false,
    };
    pairs.add(pair);
    join(pair, random, () => pairs.delete(pair));
  });
  await listen(server, port);
  const address = server.address();
  const chosen = (of: 'clients' | 'replicas'): Pair[] =>
    [...pairs].filter(({ isReplica }) => isReplica === (of === 'replicas'));
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    acceptedAtMs,
    connectionCount: (of = 'clients') => chosen(of).length,
    inject(fault, { which = 'all', of = 'clients' } = {}) {
      if (which !== 'standing') coming = fault;
      if (which !== 'coming') for (const pair of chosen(of)) pair.fault = fault;
    },
    cut: () => chosen('clients').forEach(reset),
    heal() {
      coming = undefined;
      for (const pair of pairs) {
        pair.fault = undefined;
        if (pair.hasLostBytes) reset(pair);
      }
    },
    async close() {
      for (const pair of pairs) reset(pair);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, resolve);
  });
}

function join(pair: Pair, random: Random, onEnd: () => void): void {
  const { client, server } = pair;
  pump(pair, client, server, random);
  pump(pair, server, client, random);
  for (const socket of [client, server]) {
    socket.on('error', () => {
      // The close that follows is what counts.
    });
  }
  client.once('close', () => {
    server.destroy();
    onEnd();
  });
  server.once('close', () => {
    // A black hole does not tell either that the server is gone.
    if (pair.fault?.kind !== 'black-hole') client.destroy();
  });
}

function pump(pair: Pair, from: Socket, to: Socket, random: Random): void {
  const isReply = from === pair.server;
  const queue: { readonly chunk: Buffer; readonly dueMs: number }[] = [];
  const flush = (): void => {
    while (queue.length > 0 && queue[0]!.dueMs <= performance.now()) {
      const { chunk } = queue.shift()!;
      if (to.writable) to.write(chunk);
    }
    if (queue.length > 0) setTimeout(flush, Math.ceil(queue[0]!.dueMs - performance.now()));
  };
  // One timer per direction: chunks never overtake each other.
  const pass = (chunk: Buffer, delayMs: number): void => {
    const dueMs = Math.max(queue.at(-1)?.dueMs ?? 0, performance.now() + delayMs);
    queue.push({ chunk, dueMs });
    if (queue.length === 1) flush();
  };
  from.on('data', (chunk: Buffer) => {
    if (!isReply && !pair.isReplica && /REPLCONF|PSYNC/.test(chunk.toString('latin1'))) {
      pair.isReplica = true;
      pair.fault = undefined;
    }
    spoil(pair, { chunk, isReply, random, pass });
  });
}

interface Passing {
  readonly chunk: Buffer;
  readonly isReply: boolean;
  readonly random: Random;
  readonly pass: (chunk: Buffer, delayMs: number) => void;
}

function spoil(pair: Pair, { chunk, isReply, random, pass }: Passing): void {
  const { fault } = pair;
  switch (fault?.kind) {
    case 'delay':
      pass(chunk, fault.ms + fault.jitterMs * random.next());
      return;
    case 'loss':
      pass(chunk, random.next() < fault.share ? fault.resentAfterMs : 0);
      return;
    case 'black-hole':
      pair.hasLostBytes = true;
      return;
    case 'half-open':
      if (isReply) pair.hasLostBytes = true;
      else pass(chunk, 0);
      return;
    case 'garbage':
      if (isReply) {
        pair.fault = undefined;
        pass(random.bytes(chunk.length), 0);
      } else {
        pass(chunk, 0);
      }
      return;
    case 'half-reply':
    case 'cut-reply':
      if (!isReply) {
        pass(chunk, 0);
        return;
      }
      pass(chunk.subarray(0, Math.ceil(chunk.length / 2)), 0);
      pair.hasLostBytes = true;
      pair.fault = { kind: 'half-open' };
      // After what was written has left.
      if (fault.kind === 'cut-reply') pair.client.end(() => reset(pair));
      return;
    default:
      pass(chunk, 0);
  }
}

function reset({ client, server }: Pair): void {
  client.resetAndDestroy();
  server.destroy();
}
