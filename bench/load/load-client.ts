import { request, Agent } from 'node:http';
import { grpcFrame } from '../data/official-layout.ts';
import { openGrpcConnection, type GrpcConnection } from './grpc-connection.ts';

/** What makes load: sends one of its requests without waiting for the earlier ones. */
export interface LoadClient {
  /** @param index which request; they are taken in turn */
  send(index: number, done: (error?: Error) => void): void;
  close(): void;
}

/** A server to load, and what to send it. */
export interface LoadTarget {
  readonly protocol: 'grpc' | 'http';
  readonly port: number;
  readonly path: string;
  readonly messages: readonly Uint8Array[];
  readonly connections: number;
  /** False for a server of files, which answers a call of gRPC with HTTP's status alone. */
  readonly hasTrailers?: boolean;
}

/** Connects; gRPC calls take turns on the connections, HTTP/1.1 has one call on each. */
export async function openLoadClient(target: LoadTarget): Promise<LoadClient> {
  return target.protocol === 'grpc' ? openGrpc(target) : openHttp(target);
}

async function openGrpc(target: LoadTarget): Promise<LoadClient> {
  const { port, path, messages, connections, hasTrailers } = target;
  const all = await Promise.all(
    Array.from({ length: connections }, () => openGrpcConnection(port, path, hasTrailers)),
  );
  const framed = messages.map(grpcFrame);
  let next = 0;
  return {
    send(index, done) {
      const connection: GrpcConnection = all[next++ % connections]!;
      connection.call(framed[index % framed.length]!, done);
    },
    close: () => all.forEach((each) => each.close()),
  };
}

function openHttp({ port, path, messages, connections }: LoadTarget): LoadClient {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  return {
    send(index, done) {
      const message = messages[index % messages.length]!;
      const call = request({
        agent,
        port,
        path,
        host: '127.0.0.1',
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': message.length },
      });
      call.once('error', done);
      call.once('response', (response) => {
        response.once('error', done);
        response.once('end', () =>
          done(response.statusCode === 200 ? undefined : new Error(`HTTP ${response.statusCode}`)),
        );
        response.resume();
      });
      call.end(message);
    },
    close: () => agent.destroy(),
  };
}
