import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { Agent, request as httpsRequest } from 'node:https';
import { connect as connectPlain, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { createClient } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import * as grpc from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ServingService } from '../../gen/feast/serving/ServingService_pb.ts';
import type { ServerConfig, TlsConfig } from '../../src/config/config.ts';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import { openSecurePort, type SecurePort } from '../../src/port/secure-port.ts';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts';
import { startFeatureServer, type FeatureServer } from '../http/feature-server.ts';
import {
  createAuthority,
  type CertificateAuthority,
  type IssuedCertificate,
} from '../support/certificates.ts';
import { makeServedRepository } from '../support/served-repository.ts';
import { startSideboard } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const LOCAL = ['DNS:localhost', 'IP:127.0.0.1'];
const QUESTION = {
  kind: { case: 'featureService' as const, value: 'driver_service' },
  entities: { driver_id: { val: [{ val: { case: 'int64Val' as const, value: 1001n } }] } },
};

let folder: string;
let ours: CertificateAuthority;
let foreign: CertificateAuthority;
let server: IssuedCertificate;
let client: IssuedCertificate;
let features: FeatureServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-tls-'));
  ours = createAuthority(folder, 'ours');
  foreign = createAuthority(folder, 'foreign');
  server = ours.issue('server', { names: LOCAL });
  client = ours.issue('client', { names: ['DNS:scoring.example', 'URI:spiffe://mesh/ns/scoring'] });
  features = await startFeatureServer();
});
afterAll(async () => {
  await features.close();
  rmSync(folder, { recursive: true, force: true });
});

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly reason?: string;
  readonly peer?: string;
  readonly subject?: string;
  readonly more?: number;
}

/** A port with TLS, and what it logs. */
interface Opened {
  readonly port: SecurePort & { readonly address: AddressInfo };
  readonly url: string;
  readonly lines: LogLine[];
  readonly metrics: Metrics;
  /** Reasons of the failures that were logged. */
  reasons(): (string | undefined)[];
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  features.store.release();
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(tls: Partial<TlsConfig> = {}): Promise<Opened> {
  const lines: LogLine[] = [];
  const logger = pino(
    { level: 'debug' },
    { write: (line) => void lines.push(JSON.parse(line) as LogLine) },
  );
  const metrics = createMetrics();
  const engine = createEngine(DEFAULT_LIMITS, features.listener);
  const config: Partial<ServerConfig> = {
    host: '127.0.0.1',
    port: 0,
    http2: { engine: 'own', ...DEFAULT_LIMITS },
    tls: {
      ...server,
      clientCaFile: undefined,
      clientNames: [],
      minVersion: 'TLSv1.2',
      pollIntervalMs: 20,
      ...tls,
    },
  };
  const port = await openSecurePort(config as ServerConfig, {
    engine,
    handler: features.handler,
    logger,
    metrics,
    doors: 'listen',
  });
  closers.push(() => port.drain(100));
  const address = port.address!;
  return {
    port: { ...port, address },
    url: `https://localhost:${address.port}`,
    lines,
    metrics,
    reasons: () => lines.map(({ reason }) => reason).filter((reason) => reason !== undefined),
  };
}

const pem = (file: string): string => readFileSync(file, 'utf8');
const asClient = ({ certFile, keyFile }: IssuedCertificate): ConnectionOptions => ({
  cert: pem(certFile),
  key: pem(keyFile),
});

/** Connects as a client that trusts another authority and says so, as Node's own does not. */
async function distrust({ port }: Opened): Promise<void> {
  const where = ['-connect', `127.0.0.1:${port.address.port}`, '-servername', 'localhost'];
  const trust = ['-CAfile', foreign.certFile, '-verify_return_error'];
  const child = spawn('openssl', ['s_client', ...where, ...trust], { stdio: 'ignore' });
  const [code] = (await once(child, 'exit')) as [number];
  expect(code).toBe(1);
}

const HTTP1_HELLO = 'GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n';
const HTTP2_HELLO = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';

/** Connects and resolves once the server has shown that it accepts: with TLS 1.3 the client is done before the server is. */
function handshake(
  { port }: Opened,
  options: ConnectionOptions = {},
  hello = HTTP1_HELLO,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port: port.address.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: pem(ours.certFile),
      ALPNProtocols: ['http/1.1'],
      ...options,
    });
    closers.push(() => socket.destroy());
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
    socket.once('data', () => resolve(socket));
    socket.once('secureConnect', () => socket.write(hello, 'latin1'));
  });
}

describe('TLS on the port', () => {
  it('speaks every protocol', async () => {
    const { url, port } = await open();
    const tls = { ca: pem(ours.certFile) };
    const transports = [
      createGrpcTransport({ baseUrl: url, nodeOptions: tls }),
      ...(['1.1', '2'] as const).flatMap((httpVersion) => [
        createConnectTransport({ baseUrl: url, httpVersion, nodeOptions: tls }),
        createGrpcWebTransport({ baseUrl: url, httpVersion, nodeOptions: tls }),
      ]),
    ];
    for (const transport of transports) {
      const { results } = await createClient(ServingService, transport).getOnlineFeatures(QUESTION);
      expect(results).toHaveLength(3);
    }
    const foreignClient = new grpc.Client(
      `localhost:${port.address.port}`,
      grpc.credentials.createSsl(Buffer.from(tls.ca)),
    );
    closers.push(() => foreignClient.close());
    await new Promise<void>((resolve, reject) =>
      foreignClient.waitForReady(Date.now() + 5000, (error) => (error ? reject(error) : resolve())),
    );
    expect(await postJson(url, tls)).toMatchObject({
      metadata: { feature_names: ['driver_id', 'conv_rate'] },
    });
    const session = connectHttp2(url, tls);
    closers.push(() => session.destroy());
    const route = session.request({ ':path': '/health' });
    const [head] = (await once(route, 'response')) as [IncomingHttpHeaders];
    expect([head[':status'], session.alpnProtocol]).toEqual([200, 'h2']);
  });

  it('negotiates h2 and http/1.1, and takes silence for HTTP/1.1', async () => {
    const opened = await open();
    const both = await handshake(opened, { ALPNProtocols: ['http/1.1', 'h2'] });
    expect(both.alpnProtocol).toBe('h2');
    const http1 = await handshake(opened, { ALPNProtocols: ['http/1.1'] });
    expect(http1.alpnProtocol).toBe('http/1.1');
    const silent = await handshake(opened, { ALPNProtocols: [] });
    expect(silent.alpnProtocol).toBe(false);
    await expect(handshake(opened, { ALPNProtocols: ['spdy/3'] })).rejects.toThrow();
    await waitUntil(() => opened.reasons().includes('protocol'), { what: 'the log' });
  });

  it.each([
    ['TLSv1.2', 'TLSv1.1', false],
    ['TLSv1.2', 'TLSv1.2', true],
    ['TLSv1.3', 'TLSv1.2', false],
    ['TLSv1.3', 'TLSv1.3', true],
  ] as const)('from %s on takes a client of %s: %s', async (minVersion, version, welcome) => {
    const opened = await open({ minVersion });
    // The client's own library would not offer TLS 1.1 otherwise.
    const options: ConnectionOptions = {
      minVersion: version,
      maxVersion: version,
      ciphers: 'DEFAULT@SECLEVEL=0',
    };
    if (welcome) {
      expect((await handshake(opened, options)).getProtocol()).toBe(version);
    } else {
      await expect(handshake(opened, options)).rejects.toThrow();
      await waitUntil(() => opened.reasons().includes('version'), { what: 'the log' });
    }
  });

  it.each([
    ['h2', HTTP2_HELLO],
    ['http/1.1', HTTP1_HELLO],
  ])('ends a connection of %s that speaks TLS no longer', async (protocol, hello) => {
    const opened = await open();
    const beneath = connectPlain(opened.port.address.port, '127.0.0.1');
    closers.push(() => beneath.destroy());
    const socket = connect({
      socket: beneath,
      servername: 'localhost',
      ca: pem(ours.certFile),
      ALPNProtocols: [protocol],
    });
    socket.on('error', () => {});
    socket.write(hello, 'latin1');
    await once(socket, 'data');
    const closed = new Promise((resolve) => beneath.once('close', resolve));
    beneath.write(Buffer.from([23, 3, 3, 0, 20, ...Buffer.alloc(20)]));
    await closed;
  });

  it.each([
    ['h2', HTTP2_HELLO],
    ['http/1.1', HTTP1_HELLO],
  ])('renegotiates nothing on a connection of %s', async (protocol, hello) => {
    const opened = await open();
    const options: ConnectionOptions = { maxVersion: 'TLSv1.2', ALPNProtocols: [protocol] };
    const socket = await handshake(opened, options, hello);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    socket.renegotiate({}, () => {});
    await closed;
    // Nobody else is hurt.
    await handshake(opened);
  });

  it('waits for calls when it drains, and not for a connection that has said nothing', async () => {
    const opened = await open();
    const silent = connectPlain(opened.port.address.port, '127.0.0.1');
    closers.push(() => silent.destroy());
    const closed = once(silent, 'close');
    const nodeOptions = { ca: pem(ours.certFile) };
    const transport = createGrpcTransport({ baseUrl: opened.url, nodeOptions });
    features.store.hold();
    const answer = createClient(ServingService, transport).getOnlineFeatures(QUESTION);
    await waitUntil(() => features.store.waitingCount === 1, { what: 'the read' });
    const drained = opened.port.drain(8_000);
    await closed;
    features.store.release();
    expect((await answer).results).toHaveLength(3);
    expect(await drained).toBe(0);
  });

  it('says so when a client does not speak TLS, or does not trust the certificate', async () => {
    const opened = await open();
    const socket = connectPlain(opened.port.address.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.end('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    await distrust(opened);
    await waitUntil(() => opened.reasons().length === 2, { what: 'the log' });
    expect(new Set(opened.reasons())).toEqual(new Set(['not_tls', 'refused_by_client']));
    await handshake(opened);
  });

  it('writes one line where a client fails again and again, and counts', async () => {
    const opened = await open({ clientCaFile: ours.certFile });
    for (let i = 0; i < 20; i++) await expect(handshake(opened)).rejects.toThrow();
    expect(opened.reasons()).toEqual(['certificate_missing']);
    expect(await opened.metrics.registry.metrics()).toContain(
      'feature_server_tls_handshake_failures_total{reason="certificate_missing"} 20',
    );
  });
});

describe('mutual TLS', () => {
  const both = (): Partial<TlsConfig> => ({ clientCaFile: ours.certFile });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'lets in who has a certificate, and nobody else (%s)',
    async (version) => {
      const opened = await open(both());
      const only: ConnectionOptions = { minVersion: version, maxVersion: version };
      const expired = ours.issue('expired', { names: ['DNS:scoring.example'], days: -1 });
      const stranger = foreign.issue('stranger', { names: ['DNS:scoring.example'] });
      await handshake(opened, { ...only, ...asClient(client) });
      for (const [options, reason] of [
        [{}, 'certificate_missing'],
        [asClient(expired), 'certificate_expired'],
        [asClient(stranger), 'certificate_untrusted'],
      ] as const) {
        await expect(handshake(opened, { ...only, ...options })).rejects.toThrow();
        await waitUntil(() => opened.reasons().at(-1) === reason, { what: `the log of ${reason}` });
      }
      expect(opened.reasons()).toHaveLength(3);
      const peers = opened.lines.flatMap(({ reason, peer }) =>
        reason === undefined ? [] : [peer],
      );
      // Who was refused is told by name, where it has one.
      const subjects = opened.lines.flatMap(({ reason, subject }) =>
        reason === undefined ? [] : [subject],
      );
      expect(subjects).toEqual([undefined, 'CN=expired', 'CN=stranger']);
      expect(peers.every((peer) => /^127\.0\.0\.1:\d+$/.test(peer ?? ''))).toBe(true);
      await handshake(opened, { ...only, ...asClient(client) });
    },
  );

  it('looks for a name of the list in the certificate', async () => {
    const opened = await open({ ...both(), clientNames: ['spiffe://mesh/ns/scoring'] });
    await handshake(opened, asClient(client));
    const other = ours.issue('other', { names: ['DNS:spiffe.mesh', 'URI:spiffe://mesh/ns/other'] });
    const nameless = ours.issue('nameless', { names: [] });
    for (const refused of [other, nameless])
      await expect(handshake(opened, asClient(refused))).rejects.toThrow();
    await waitUntil(() => opened.reasons().length > 0, { what: 'the log' });
    expect(opened.reasons()).toEqual(['name_refused']);
  });

  it.each([
    ['DNS:Scoring.Example', 'scoring.example', 'example'],
    ['URI:spiffe://mesh/ns/a', 'spiffe://mesh/ns/a', 'spiffe://mesh/ns'],
    ['URI:urn:uuid:f81d4fae-7dec', 'urn:uuid:f81d4fae-7dec', 'urn:uuid:f81d4fae'],
    ['IP:10.0.0.7', '10.0.0.7', '10.0.0.70'],
    ['IP:2001:db8::1', '2001:DB8::1', '2001:db8::2'],
    ['email:ops@example.com', 'ops@example.com', 'example.com'],
    ['DNS:*.scoring.example', '*.scoring.example', 'a.scoring.example'],
  ])('knows %s in a certificate by %s, and not by %s', async (name, right, wrong) => {
    const issued = ours.issue('named', { names: [name] });
    await handshake(await open({ ...both(), clientNames: [wrong, right] }), asClient(issued));
    const refusing = await open({ ...both(), clientNames: [wrong] });
    await expect(handshake(refusing, asClient(issued))).rejects.toThrow();
    expect(refusing.reasons()).toEqual(['name_refused']);
  });

  it('resumes no session, so that every connection shows its certificate', async () => {
    const opened = await open(both());
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const first = await handshake(opened, { ...asClient(client), maxVersion });
      const session = first.getSession();
      const second = await handshake(opened, {
        ...asClient(client),
        maxVersion,
        ...(session ? { session } : {}),
      });
      expect(second.isSessionReused()).toBe(false);
    }
  });
});

describe('certificates that change', () => {
  /** Copies, so that a test can replace them. */
  function copyOf(issued: IssuedCertificate, name: string): IssuedCertificate {
    const copy = {
      certFile: join(folder, `${name}-cert.pem`),
      keyFile: join(folder, `${name}-key.pem`),
    };
    copyFileSync(issued.certFile, copy.certFile);
    copyFileSync(issued.keyFile, copy.keyFile);
    return copy;
  }
  const serverSeen = async (opened: Opened): Promise<string> => {
    const socket = await handshake(opened);
    return socket.getPeerX509Certificate()!.fingerprint256;
  };

  it('are read again without dropping a connection or a call', async () => {
    const files = copyOf(server, 'live');
    const opened = await open(files);
    const transport = createGrpcTransport({
      baseUrl: opened.url,
      nodeOptions: { ca: pem(ours.certFile) },
    });
    const serving = createClient(ServingService, transport);
    features.store.hold();
    const underWay = serving.getOnlineFeatures(QUESTION);
    await waitUntil(() => features.store.waitingCount === 1, { what: 'the read' });
    const before = await serverSeen(opened);

    const next = ours.issue('next', { names: LOCAL });
    copyFileSync(next.certFile, files.certFile);
    copyFileSync(next.keyFile, files.keyFile);
    await waitUntil(async () => (await serverSeen(opened)) !== before, {
      what: 'the new certificate',
    });
    features.store.release();
    expect((await underWay).results).toHaveLength(3);
    expect((await serving.getOnlineFeatures(QUESTION)).results).toHaveLength(3);
    expect(opened.lines.some(({ msg }) => msg.includes('certificate changed'))).toBe(true);
  });

  it('stay as they were while the files are wrong, and say why', async () => {
    const files = copyOf(server, 'broken');
    const opened = await open({ ...files, pollIntervalMs: 0 });
    const before = await serverSeen(opened);
    const other = ours.issue('unpaired', { names: LOCAL });
    const wrong: readonly [() => void, RegExp][] = [
      [
        () => copyFileSync(other.certFile, files.certFile),
        /tls_key_file: \S+ is not the key of the certificate/,
      ],
      [() => writeFileSync(files.certFile, 'nothing'), /tls_cert_file: \S+ holds no PEM/],
      [() => rmSync(files.certFile), /tls_cert_file: \S+ cannot be read: ENOENT/],
      [
        () =>
          writeFileSync(
            files.certFile,
            '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
          ),
        /holds a broken certificate/,
      ],
      [
        () => writeFileSync(files.certFile, pem(other.certFile).slice(0, 300)),
        /tls_cert_file: \S+ holds a certificate that is cut off/,
      ],
    ];
    for (const [change, reason] of wrong) {
      change();
      await opened.port.reloadCertificate();
      await opened.port.reloadCertificate();
      const errors = opened.lines.filter(({ level }) => level === 50);
      expect(errors.at(-1)!.msg).toMatch(reason);
      expect(await serverSeen(opened)).toBe(before);
    }
    expect(opened.lines.filter(({ level }) => level === 50)).toHaveLength(wrong.length);
    copyFileSync(other.certFile, files.certFile);
    copyFileSync(other.keyFile, files.keyFile);
    await opened.port.reloadCertificate();
    expect(await serverSeen(opened)).not.toBe(before);
  });

  it('follow a symbolic link that is swapped, as Kubernetes does it', async () => {
    const next = ours.issue('swapped', { names: LOCAL });
    for (const [version, { certFile, keyFile }] of [
      ['v1', server],
      ['v2', next],
    ] as const) {
      mkdirSync(join(folder, version));
      copyFileSync(certFile, join(folder, version, 'tls.crt'));
      copyFileSync(keyFile, join(folder, version, 'tls.key'));
    }
    symlinkSync('v1', join(folder, 'data'));
    const opened = await open({
      certFile: join(folder, 'data', 'tls.crt'),
      keyFile: join(folder, 'data', 'tls.key'),
    });
    const before = await serverSeen(opened);
    symlinkSync('v2', join(folder, 'data-next'));
    renameSync(join(folder, 'data-next'), join(folder, 'data'));
    await waitUntil(async () => (await serverSeen(opened)) !== before, {
      what: 'the new certificate',
    });
    expect(opened.lines.filter(({ level }) => level === 50)).toEqual([]);
  });

  it('let in the clients of a new authority, and no longer those of the old one', async () => {
    const caFile = join(folder, 'clients.pem');
    copyFileSync(ours.certFile, caFile);
    const opened = await open({ clientCaFile: caFile, pollIntervalMs: 0 });
    const stranger = foreign.issue('newcomer', { names: ['DNS:new.example'] });
    await handshake(opened, asClient(client));
    await expect(handshake(opened, asClient(stranger))).rejects.toThrow();
    copyFileSync(foreign.certFile, caFile);
    await opened.port.reloadCertificate();
    await handshake(opened, asClient(stranger));
    await expect(handshake(opened, asClient(client))).rejects.toThrow();
  });

  it('let in the clients of all authorities while the file with them is half written', async () => {
    const caFile = join(folder, 'growing.pem');
    const both = pem(ours.certFile) + pem(foreign.certFile);
    writeFileSync(caFile, both);
    const opened = await open({ clientCaFile: caFile, pollIntervalMs: 0 });
    const other = foreign.issue('of-the-second', { names: ['DNS:new.example'] });
    for (const missing of [10, 100, 400]) {
      writeFileSync(caFile, both.slice(0, -missing));
      await opened.port.reloadCertificate();
      await handshake(opened, asClient(other));
    }
    const errors = opened.lines.filter(({ level }) => level === 50);
    expect(errors.map(({ msg }) => /tls_client_ca_file: \S+ (.*)/.exec(msg)?.[1])).toEqual([
      'holds a certificate that is cut off',
    ]);
    await expect(open({ clientCaFile: caFile })).rejects.toThrow('cut off');
  });

  it('that have expired are served with an error in the log, those that will soon with a warning', async () => {
    const expired = ours.issue('server-expired', { names: LOCAL, days: -1 });
    const opened = await open(expired);
    expect(opened.lines.find(({ level }) => level === 50)!.msg).toMatch(
      /server-expired\.pem has expired/,
    );
    await expect(handshake(opened)).rejects.toThrow('expired');
    const soon = await open();
    expect(soon.lines.find(({ level }) => level === 40)!.msg).toMatch(/expires in 0 days/);
  });

  it('keep the server from starting when they are wrong', async () => {
    await expect(open({ keyFile: client.keyFile })).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
      message: expect.stringMatching(/is not the key of/) as unknown,
    });
    await expect(open({ certFile: join(folder, 'nowhere.pem') })).rejects.toThrow('ENOENT');
  });
});

describe('sideboard serve', () => {
  it('takes Feast’s --key and --cert, and reads them again on SIGHUP', async () => {
    const repository = await makeServedRepository();
    closers.push(() => repository.remove());
    const live = { certFile: join(folder, 'serve.pem'), keyFile: join(folder, 'serve.key') };
    copyFileSync(server.certFile, live.certFile);
    copyFileSync(server.keyFile, live.keyFile);
    const sideboard = await startSideboard({
      repoPath: repository.path,
      serveArguments: ['--cert', live.certFile, '--key', live.keyFile, '--tls-poll-ms', '0'],
    });
    closers.push(() => sideboard.stop());
    const url = `https://localhost:${sideboard.port}`;
    const body = '{"features":["driver_stats:trips"],"entities":{"driver_id":[7]}}';
    const answer = { results: [{ values: [7] }, { values: [7] }] };
    expect(await postJson(url, { ca: pem(ours.certFile) }, body)).toMatchObject(answer);

    const renewed = foreign.issue('renewed', { names: LOCAL });
    copyFileSync(renewed.certFile, live.certFile);
    copyFileSync(renewed.keyFile, live.keyFile);
    sideboard.signal('SIGHUP');
    await waitUntil(() => sideboard.log.some((line) => line.includes('certificate changed')), {
      what: 'the log',
    });
    expect(await postJson(url, { ca: pem(foreign.certFile) }, body)).toMatchObject(answer);
    expect(await sideboard.stop()).toBe(0);
  });
});

function postJson(
  url: string,
  tls: { readonly ca: string },
  body = '{"features":["driver_stats:conv_rate"],"entities":{"driver_id":[1001]}}',
): Promise<unknown> {
  const agent = new Agent(tls);
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const call = httpsRequest(
      `${url}/get-online-features`,
      { method: 'POST', agent, headers },
      (response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.on('end', () => resolve(JSON.parse(text)));
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}
