import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import { connect, Socket, type NetConnectOpts } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import { encodeHeaderBlock } from '../../src/http2/header-block.ts';
import { openPort, type PortOptions } from '../../src/port/port.ts';
import { readServerCertificate } from '../../src/tls/server-certificate.ts';
import { GET, headers, PREFACE, settings, windowUpdate } from '../http2/frames.ts';
import { createAuthority } from '../support/certificates.ts';
import { Random } from '../http2/random.ts';
import { waitUntil } from '../support/wait-until.ts';

const ROUNDS = 30;
const HEAD = encodeHeaderBlock({ ':status': 200 });
const TRAILERS = encodeHeaderBlock({ 'grpc-status': 0 });
/** Everything that is asked for may be sent at once. */
const GREEDY = Buffer.concat([PREFACE, settings([4, 2 ** 30]), windowUpdate(0, 2 ** 30)]);

let folder: string;
let tls: NonNullable<PortOptions['tls']>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-broken-'));
  const files = createAuthority(folder, 'ours').issue('server', { names: ['DNS:localhost'] });
  tls = {
    certificate: await readServerCertificate({ ...files, minVersion: 'TLSv1.2' }),
    clientsNeedCertificate: false,
    clientNames: [],
    onFailure: () => undefined,
  };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A body that says of every byte whose it is: `size` bytes that count from `size` on. */
function bodyOf(size: number): Buffer {
  const body = Buffer.alloc(size);
  for (let i = 0; i < size; i++) body[i] = size + 7 * i;
  return body;
}

/** A server whose answers are as long as their paths say, in one piece or in several. */
async function openServer(kind: string) {
  const faults: unknown[] = [];
  const engine = createEngine(
    DEFAULT_LIMITS,
    ({ path }, response) => ({
      onData() {},
      onEnd(): void {
        const body = bodyOf(Number(path.slice(1)));
        if (body.length % 2 === 0) {
          response.reply(HEAD, body, TRAILERS);
          return;
        }
        response.respond(HEAD, false);
        for (let at = 0; at < body.length; at += 3000) response.write(body.subarray(at, at + 3000));
        response.end(undefined, TRAILERS);
      },
      onClose() {},
    }),
    { onFault: (error) => void faults.push(error) },
  );
  const path = join(folder, `${kind}.sock`);
  const port = await openPort({
    host: '127.0.0.1',
    port: 0,
    unixSocket: { path, mode: 0o600 },
    engine,
    handler: (_request, response) => response.end(),
    ...(kind === 'tls' ? { tls } : {}),
  });
  return { engine, faults, port, path };
}

/** A client that does what it should, and compares every byte. */
async function readsWell(session: http2.ClientHttp2Session, size: number): Promise<boolean> {
  const stream = session.request({ ':path': `/${size}` });
  const parts: Buffer[] = [];
  stream.on('data', (part: Buffer) => parts.push(part));
  await once(stream, 'close');
  return Buffer.concat(parts).equals(bodyOf(size));
}

it.each(['tcp', 'tls', 'unix'])(
  'sockets of %s that break while they are written to hurt nobody, and leave nothing',
  async (kind) => {
    const { engine, faults, port, path } = await openServer(kind);
    const where: NetConnectOpts =
      kind === 'unix' ? { path } : { host: '127.0.0.1', port: port.address.port };
    const dial = async (): Promise<{ raw: Socket; socket: Duplex }> => {
      const raw = connect(where);
      raw.on('error', () => {});
      await once(raw, 'connect');
      if (kind !== 'tls') return { raw, socket: raw };
      const socket = connectTls({ socket: raw, ALPNProtocols: ['h2'], rejectUnauthorized: false });
      socket.on('error', () => {});
      await once(socket, 'secureConnect');
      return { raw, socket };
    };
    const { socket: own } = await dial();
    const session = http2.connect('http://localhost', { createConnection: () => own });
    const random = new Random(1);
    let wellRead = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const { raw, socket } = await dial();
      // Some read, some do not, some read for a while.
      if (random.chance(2, 3)) socket.on('data', () => {});
      const asked = Array.from({ length: 1 + random.below(20) }, (_, i) =>
        headers(2 * i + 1, [...GET.slice(0, 2), [':path', `/${random.below(400_000)}`]]),
      );
      socket.write(Buffer.concat([GREEDY, ...asked]));
      const good = [random.below(200_000), random.below(5000)].map((size) =>
        readsWell(session, size),
      );
      for (let turns = random.below(20); turns > 0; turns--) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (random.chance(1, 3) || kind === 'unix') raw.destroy();
      else if (random.chance(1, 2)) raw.resetAndDestroy();
      else socket.end();
      if (!raw.destroyed) setTimeout(() => raw.destroy(), 50);
      wellRead += (await Promise.all(good)).filter(Boolean).length;
    }
    expect(wellRead).toBe(2 * ROUNDS);
    await waitUntil(() => engine.connectionCount === 1, { what: 'the broken ones to be gone' });
    expect(engine.queuedBytes).toBe(0);
    expect(faults).toEqual([]);
    session.close();
    expect(await port.drain(5000)).toBe(0);
  },
);
