import { expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import { data, HELLO, headers, POST } from './frames.ts';
import { OK_HEADERS, OK_TRAILERS } from './raw-client.ts';
import { SimulatedSocket } from './simulated-socket.ts';

const KIB = 1024;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An engine that answers everything, and how many requests it has seen of each connection. */
function openServer() {
  const counts: number[] = [];
  const engine = createEngine(DEFAULT_LIMITS, (_head, response) => {
    const index = sockets.findIndex((socket) => `192.0.2.1:${socket.remotePort}` === response.peer);
    return {
      onData() {},
      onEnd(): void {
        counts[index]! += 1;
        response.reply(OK_HEADERS, Buffer.from('answer'), OK_TRAILERS);
      },
      onClose() {},
    };
  });
  const sockets: (SimulatedSocket & { readonly remotePort: number })[] = [];
  const connect = () => {
    const port = sockets.length + 1;
    const socket = Object.assign(new SimulatedSocket(() => {}), { remotePort: port });
    sockets.push(socket);
    counts.push(0);
    engine.accept(socket);
    socket.deliver(HELLO);
    return socket;
  };
  return { engine, counts, connect };
}

/** Requests of a KiB each, from a stream on. */
function requests(firstStream: number, count: number): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, i) => [
      headers(firstStream + 2 * i, POST, 0),
      data(firstStream + 2 * i, 'x'.repeat(KIB)),
    ]).flat(),
  );
}

/** As a socket that has more hands it over: as fast as it is read, until it is told to stop. */
function flood(socket: SimulatedSocket, bytes: Buffer, pieceBytes: number): void {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    socket.deliver(bytes.subarray(at, at + pieceBytes));
  }
}

it.each([64 * KIB, 16 * KIB])(
  'in one turn little is read of a connection that sends much, in pieces of %d bytes',
  async (pieceBytes) => {
    const { engine, counts, connect } = openServer();
    const [greedy, modest] = [connect(), connect()];
    await turn();
    flood(greedy, requests(1, 900), pieceBytes);
    modest.deliver(requests(1, 1));
    // Before the others have had their turn, at most what two reads of a socket give.
    expect(counts[0]).toBeLessThan(130);
    for (let turns = 0; counts[1] === 0; turns++) {
      expect(turns).toBeLessThan(3);
      await turn();
    }
    expect(counts[0]).toBeLessThan(400);
    for (let turns = 0; counts[0] !== 900; turns++) {
      expect(turns).toBeLessThan(100);
      await turn();
    }
    engine.close();
  },
);
