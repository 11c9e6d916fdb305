import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { Agent, createServer, request } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectSecurely } from 'node:tls';
import { create, toBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { HealthCheckRequestSchema } from '../../gen/grpc/health/v1/health_pb.ts';
import { createAuthority } from '../support/certificates.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { startSideboard, workerPids, type SideboardProcess } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Started {
  readonly repository: ServedRepository;
  readonly sideboard: SideboardProcess;
}

async function start(workers: number, ...flags: string[]): Promise<Started> {
  const repository = await makeServedRepository();
  closers.push(() => repository.remove());
  const sideboard = await startSideboard({
    repoPath: repository.path,
    serveArguments: ['--workers', String(workers), ...flags],
  });
  closers.push(() => sideboard.stop());
  return { repository, sideboard };
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** How to get there: a port in plain text, or what `https.request` needs. */
type Way = number | RequestOptions;

/** Asks for one driver over a connection of its own, and resolves to the value in the answer. */
function ask(way: Way, driver: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const isSecure = typeof way !== 'number' && way.ca !== undefined;
    const call = (isSecure ? httpsRequest : request)(
      {
        host: '127.0.0.1',
        ...(typeof way === 'number' ? { port: way } : way),
        path: '/get-online-features',
        method: 'POST',
        agent: false,
        headers: { 'content-type': 'application/json' },
      },
      (response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.on('end', () => {
          const body = JSON.parse(text) as { results: { values: unknown[] }[] };
          resolve(body.results[1]!.values[0]);
        });
        response.on('error', reject);
      },
    );
    call.setTimeout(20_000, () => call.destroy(new Error('no answer in 20 s')));
    call.on('error', reject);
    call.end(`{"features":["driver_stats:trips"],"entities":{"driver_id":[${driver}]}}`);
  });
}

/** Asks over and over, a new connection each time, until told to end. */
function askAgainAndAgain(way: Way, parallel: number) {
  const ended = new AbortController();
  const errors: string[] = [];
  let answers = 0;
  const loops = Array.from({ length: parallel }, async (_, i) => {
    for (let n = 0; !ended.signal.aborted; n++) {
      const driver = ((i + n) % 100) + 1;
      try {
        const value = await ask(way, driver);
        if (value === driver) answers += 1;
        else errors.push(`${driver}: ${String(value)}`);
      } catch (error) {
        errors.push((error as Error).message);
      }
    }
  });
  return {
    errors,
    get answers() {
      return answers;
    },
    async end(): Promise<void> {
      ended.abort();
      await Promise.all(loops);
    },
  };
}

/** Calls over and over on one channel, until told to end. */
function callAgainAndAgain(target: string, credentials: grpc.ChannelCredentials) {
  const options = {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.ssl_target_name_override': 'localhost',
  };
  const client = new grpc.Client(target, credentials, options);
  closers.push(() => client.close());
  const ended = new AbortController();
  const found = { errors: [] as string[], answers: 0, end };
  const asIs = (bytes: Buffer): Buffer => bytes;
  const call = (): Promise<void> =>
    new Promise((resolve) => {
      client.makeUnaryRequest(INFO, asIs, asIs, Buffer.alloc(0), (error) => {
        if (error === null) found.answers += 1;
        else found.errors.push(error.message);
        resolve();
      });
    });
  const loop = (async () => {
    while (!ended.signal.aborted) await call();
  })();
  async function end(): Promise<void> {
    ended.abort();
    await loop;
  }
  return found;
}

/** Of the certificate that the port shows. */
function fingerprintOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectSecurely({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()!.fingerprint256);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

/** A health watch on a connection of its own: a call that stays open. */
interface Watch {
  readonly answers: number[];
  /** gRPC code that it ended with. */
  code: number | undefined;
}

function watch(port: number): Watch {
  const options = { 'grpc.use_local_subchannel_pool': 1 };
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), options);
  closers.push(() => client.close());
  const found: Watch = { answers: [], code: undefined };
  const stream = client.makeServerStreamRequest(
    '/grpc.health.v1.Health/Watch',
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
    Buffer.from(toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema))),
  );
  stream.on('data', (bytes: Buffer) => found.answers.push(bytes[1]!));
  stream.on('error', (error: grpc.ServiceError) => (found.code = error.code));
  return found;
}

async function metric({ adminUrl }: SideboardProcess, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length));
}

const INFO = '/feast.serving.ServingService/GetFeastServingInfo';
const PORT_CONNECTIONS = 'feature_server_connections{listener="port"}';
const ANSWERED =
  'feast_feature_server_request_total{endpoint="/get-online-features",status="success"}';

describe('several workers', () => {
  it('share the connections evenly; killing one loses its calls alone, and another takes its place', async () => {
    const { sideboard } = await start(3);
    expect(workerPids(sideboard)).toHaveLength(3);
    const watches = Array.from({ length: 6 }, () => watch(sideboard.port));
    await waitUntil(() => watches.every(({ answers }) => answers.length === 1), {
      what: 'the watches',
    });
    for (let driver = 1; driver <= 9; driver++)
      expect(await ask(sideboard.port, driver)).toBe(driver);
    expect(await metric(sideboard, 'feature_server_http2_connections')).toBe(6);
    expect(await metric(sideboard, ANSWERED)).toBe(9);

    const [victim] = workerPids(sideboard);
    process.kill(victim!, 'SIGKILL');
    await waitUntil(() => watches.filter(({ code }) => code !== undefined).length === 2, {
      what: 'two watches to end',
    });
    expect(watches.flatMap(({ code }) => code ?? [])).toEqual([
      grpc.status.UNAVAILABLE,
      grpc.status.UNAVAILABLE,
    ]);
    for (let driver = 1; driver <= 9; driver++)
      expect(await ask(sideboard.port, driver)).toBe(driver);
    await waitUntil(async () => (await metric(sideboard, 'feature_server_workers')) === 3, {
      what: 'another worker',
    });
    expect(await metric(sideboard, 'feature_server_worker_restarts_total')).toBe(1);
    expect(workerPids(sideboard)).not.toContain(victim);
    // What the killed one had answered was collected before.
    expect(await metric(sideboard, ANSWERED)).toBe(18);
    expect(watches.filter(({ code }) => code !== undefined)).toHaveLength(2);
    expect(sideboard.log.filter((line) => line.includes('a worker ended'))).toHaveLength(1);
    expect(await sideboard.stop()).toBe(0);
  });

  it('are replaced on SIGHUP without a refused connection or a lost request', async () => {
    const { sideboard, repository } = await start(2);
    const before = workerPids(sideboard);
    const kept = watch(sideboard.port);
    await waitUntil(() => kept.answers.length === 1, { what: 'the watch' });
    const load = askAgainAndAgain(sideboard.port, 4);
    const counts: number[] = [];
    const scrapes = setInterval(() => {
      void metric(sideboard, ANSWERED).then((count) => counts.push(count ?? 0));
    }, 50);
    closers.push(() => clearInterval(scrapes));
    writeFileSync(
      join(repository.path, 'feature_store.yaml'),
      `${readFileSync(join(repository.path, 'feature_store.yaml'), 'utf8')}sideboard:\n  max_rows: 77\n  admin_host: 127.0.0.2\n`,
    );
    sideboard.signal('SIGHUP');
    await waitUntil(() => sideboard.log.some((line) => line.includes('"workers replaced"')), {
      what: 'new workers',
      timeoutMs: 40_000,
    });
    await load.end();
    clearInterval(scrapes);
    expect(load.errors).toEqual([]);
    // Read over and over while workers come and go, the counter never went back.
    expect(counts.length).toBeGreaterThan(5);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(load.answers).toBeGreaterThan(0);
    const after = workerPids(sideboard);
    expect(after).toHaveLength(2);
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
    // A call that stays open is told to go elsewhere.
    expect(kept.code).toBe(grpc.status.UNAVAILABLE);
    expect(await metric(sideboard, ANSWERED)).toBe(load.answers);
    // The new ones run with the configuration as it is now.
    const rows = Array.from({ length: 78 }, (_, i) => i + 1).join(',');
    const refused = await fetch(`http://127.0.0.1:${sideboard.port}/get-online-features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"features":["driver_stats:trips"],"entities":{"driver_id":[${rows}]}}`,
    });
    expect(await refused.text()).toContain('max_rows');
    // What belongs to the supervisor stays, and that is said.
    expect(sideboard.log.filter((line) => line.includes('"lasting":["adminHost"]'))).toHaveLength(
      1,
    );
  });

  it('are replaced on SIGHUP without a loss through TLS and a unix socket too, and bring the new certificate', async () => {
    const { path: folder } = await makeFolder();
    const authority = createAuthority(folder, 'authority');
    const names = ['DNS:localhost', 'IP:127.0.0.1'];
    const { certFile, keyFile } = authority.issue('server', { names });
    const socketPath = join(folder, 'serve.sock');
    const tls = ['--cert', certFile, '--key', keyFile, '--tls-poll-ms', '0'];
    const { sideboard } = await start(2, '--unix-socket', socketPath, ...tls);
    const ca = readFileSync(authority.certFile);
    const { port } = sideboard;
    const loads = [
      askAgainAndAgain({ port, ca, servername: 'localhost' }, 2),
      askAgainAndAgain({ socketPath }, 2),
    ];
    const before = workerPids(sideboard);
    const calls = [
      callAgainAndAgain(`127.0.0.1:${port}`, grpc.credentials.createSsl(ca)),
      callAgainAndAgain(`unix:${socketPath}`, grpc.credentials.createInsecure()),
    ];
    await waitUntil(() => [...loads, ...calls].every(({ answers }) => answers > 5), {
      what: 'load by every way',
    });
    const fingerprint = await fingerprintOf(port);
    authority.issue('server', { names });
    sideboard.signal('SIGHUP');
    await waitUntil(() => sideboard.log.some((line) => line.includes('"workers replaced"')), {
      what: 'new workers',
      timeoutMs: 40_000,
    });
    const answered = [...loads, ...calls].map(({ answers }) => answers);
    await waitUntil(
      () => [...loads, ...calls].every((each, i) => each.answers > answered[i]! + 5),
      {
        what: 'answers of the new ones',
      },
    );
    for (const load of [...loads, ...calls]) await load.end();
    expect([...loads, ...calls].flatMap(({ errors }) => errors)).toEqual([]);
    expect(workerPids(sideboard).filter((pid) => before.includes(pid))).toEqual([]);
    expect(await fingerprintOf(port)).not.toBe(fingerprint);
  });

  it('stay when those that should replace them do not start', async () => {
    const { sideboard, repository } = await start(2);
    const before = workerPids(sideboard);
    const file = join(repository.path, 'feature_store.yaml');
    const good = readFileSync(file, 'utf8');
    for (const wrong of [
      `${good}sideboard:\n  max_row: 1\n`,
      good.replace('registry.db', 'nowhere.db'),
    ]) {
      const linesBefore = sideboard.log.length;
      writeFileSync(file, wrong);
      sideboard.signal('SIGHUP');
      await waitUntil(
        () => sideboard.log.slice(linesBefore).some((line) => line.includes('stay as they were')),
        { what: 'the log' },
      );
      expect(workerPids(sideboard)).toEqual(before);
      expect(await ask(sideboard.port, 5)).toBe(5);
    }
  });

  it('are replaced once more, however often SIGHUP comes while they are being replaced', async () => {
    const { sideboard } = await start(2);
    const count = (text: string): number =>
      sideboard.log.filter((line) => line.includes(text)).length;
    sideboard.signal('SIGHUP');
    await waitUntil(() => count('"replacing the workers"') === 1, { what: 'the first to begin' });
    for (let i = 0; i < 5; i++) {
      sideboard.signal('SIGHUP');
      // An answer of the supervisor: it has had a turn to hear of the signal.
      await metric(sideboard, 'feature_server_workers');
    }
    await waitUntil(() => count('"workers replaced"') === 2, {
      what: 'the workers to be replaced twice',
      timeoutMs: 60_000,
    });
    expect(await ask(sideboard.port, 3)).toBe(3);
    await sideboard.stop();
    expect(count('"replacing the workers"')).toBe(2);
  });

  it('that are killed under load lose what they were answering, and nothing waits for ever', async () => {
    const { sideboard } = await start(2);
    const load = askAgainAndAgain(sideboard.port, 4);
    for (let round = 1; round <= 3; round++) {
      const answered = load.answers;
      await waitUntil(() => load.answers > answered + 20, { what: 'load' });
      process.kill(workerPids(sideboard)[0]!, 'SIGKILL');
      await waitUntil(
        async () => (await metric(sideboard, 'feature_server_worker_restarts_total')) === round,
        { what: 'another worker' },
      );
      await waitUntil(async () => (await metric(sideboard, 'feature_server_workers')) === 2, {
        what: 'it to serve',
      });
    }
    await load.end();
    // Four callers, three workers that died: at most one call of each caller was with each.
    expect(load.errors.length).toBeLessThanOrEqual(12);
    expect(
      new Set(
        load.errors.map((message) => message.replace(/.*(ECONNRESET|socket hang up).*/, 'cut')),
      ),
    ).toEqual(new Set(load.errors.length > 0 ? ['cut'] : []));
  });

  it('that cannot start again are tried with growing pauses, until they can or are told to end', async () => {
    const { sideboard, repository } = await start(2);
    const file = join(repository.path, 'feature_store.yaml');
    const good = readFileSync(file, 'utf8');
    const pauses = (): number[] =>
      sideboard.log
        .filter((line) => line.includes('a worker ended'))
        .map((line) => (JSON.parse(line) as { delayMs: number }).delayMs);
    writeFileSync(file, `${good}sideboard:\n  max_row: 1\n`);
    process.kill(workerPids(sideboard)[0]!, 'SIGKILL');
    await waitUntil(() => pauses().length === 4, { what: 'failures', timeoutMs: 40_000 });
    // Nothing after the first one, then 200 ms and twice as much each time, less up to a fifth.
    const [first, second, third, fourth] = pauses();
    expect(first).toBe(0);
    expect([second! >= 160, second! <= 200, third! >= 320, fourth! >= 640]).toEqual(
      Array.from({ length: 4 }, () => true),
    );
    // The other one serves, and is all that is counted.
    expect(await metric(sideboard, 'feature_server_workers')).toBe(1);
    for (let driver = 1; driver <= 4; driver++)
      expect(await ask(sideboard.port, driver)).toBe(driver);
    expect(await metric(sideboard, ANSWERED)).toBe(4);
    writeFileSync(file, good);
    await waitUntil(async () => (await metric(sideboard, 'feature_server_workers')) === 2, {
      what: 'the worker to start',
      timeoutMs: 40_000,
    });
    expect(await metric(sideboard, ANSWERED)).toBe(4);
    writeFileSync(file, `${good}sideboard:\n  max_row: 1\n`);
    const before = pauses().length;
    process.kill(workerPids(sideboard)[0]!, 'SIGKILL');
    await waitUntil(() => pauses().length >= before + 2, { what: 'failures', timeoutMs: 40_000 });
    expect(await sideboard.stop()).toBe(0);
  });

  it('keep connections waiting while there is no worker, instead of refusing them', async () => {
    const { sideboard } = await start(2);
    for (const pid of workerPids(sideboard)) process.kill(pid, 'SIGKILL');
    const answers = await Promise.all(
      [1, 2, 3, 4].map((driver) => ask(sideboard.port, driver).catch(() => 'cut')),
    );
    // A connection may have been with a worker in the moment of its death.
    expect(answers.filter((answer) => answer === 'cut').length).toBeLessThan(4);
    expect(await ask(sideboard.port, 9)).toBe(9);
  });

  it('listen on a unix socket through their supervisor, and drain with it', async () => {
    const path = join((await makeFolder()).path, 'serve.sock');
    const { sideboard } = await start(2, '--unix-socket', path);
    const agent = new Agent({ keepAlive: true });
    closers.push(() => agent.destroy());
    const status = await new Promise((resolve, reject) => {
      request({ socketPath: path, path: '/health', agent }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(200);
    const pids = workerPids(sideboard);
    expect((await fetch(`${sideboard.adminUrl}/readyz`)).status).toBe(200);
    expect(await sideboard.stop()).toBe(0);
    expect(existsSync(path)).toBe(false);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  it('have max_connections open together, in equal shares', async () => {
    const { sideboard } = await start(2, '--max-connections', '3');
    const open = (): Socket => {
      const socket = connect(sideboard.port, '127.0.0.1');
      closers.push(() => socket.destroy());
      // What says HTTP/2 may stay as long as it wants.
      socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
      return socket.on('error', () => {}).resume();
    };
    const kept = Array.from({ length: 4 }, open);
    await waitUntil(async () => (await metric(sideboard, PORT_CONNECTIONS)) === 4, {
      what: 'both shares, rounded up, to be taken',
    });
    const more = Array.from({ length: 2 }, open);
    await waitUntil(() => more.every(({ closed }) => closed), {
      what: 'what is too much to close',
    });
    expect(kept.filter(({ closed }) => closed)).toEqual([]);
    expect(await metric(sideboard, PORT_CONNECTIONS)).toBe(4);
    kept.pop()!.destroy();
    await waitUntil(async () => (await metric(sideboard, PORT_CONNECTIONS)) === 3, {
      what: 'one to be closed',
    });
    expect(await ask(sideboard.port, 1)).toBe(1);
  });

  it.each(['handover', 'reuse_port'])(
    'end when their supervisor is gone (port_sharing: %s), and say so to their callers',
    async (sharing) => {
      const { sideboard } = await start(2, '--port-sharing', sharing);
      const open = watch(sideboard.port);
      await waitUntil(() => open.answers.length === 1, { what: 'the watch' });
      const pids = workerPids(sideboard);
      process.kill(sideboard.pid, 'SIGKILL');
      await waitUntil(() => !pids.some(isAlive), { what: 'the workers to end' });
      await waitUntil(() => open.code !== undefined, { what: 'the watch to end' });
      expect(open.code).toBe(grpc.status.UNAVAILABLE);
    },
  );
});

describe('workers that listen themselves (port_sharing: reuse_port)', () => {
  it('share one port, also where any free one is wanted, and are replaced', async () => {
    const { sideboard } = await start(2, '--port-sharing', 'reuse_port');
    for (let driver = 1; driver <= 20; driver++)
      expect(await ask(sideboard.port, driver)).toBe(driver);
    expect(await metric(sideboard, ANSWERED)).toBe(20);
    const before = workerPids(sideboard);
    sideboard.signal('SIGHUP');
    await waitUntil(() => sideboard.log.some((line) => line.includes('"workers replaced"')), {
      what: 'new workers',
      timeoutMs: 40_000,
    });
    expect(workerPids(sideboard).filter((pid) => before.includes(pid))).toEqual([]);
    expect(await ask(sideboard.port, 21)).toBe(21);
    process.kill(workerPids(sideboard)[0]!, 'SIGKILL');
    await waitUntil(
      async () =>
        (await metric(sideboard, 'feature_server_workers')) === 2 &&
        (await metric(sideboard, 'feature_server_worker_restarts_total')) === 1,
      { what: 'another worker' },
    );
    expect(await ask(sideboard.port, 22)).toBe(22);
  });
});

describe('a registry in a bucket', () => {
  /** Speaks as much of S3 as a registry needs, and counts downloads. */
  async function startBucket(repository: ServedRepository) {
    const counts = { downloads: 0 };
    let isDown = false;
    const server = createServer((call, response) => {
      if (isDown) {
        response.writeHead(503).end();
        return;
      }
      const bytes = readFileSync(join(repository.path, 'data', 'registry.db'));
      const etag = `"${createHash('md5').update(bytes).digest('hex')}"`;
      response.writeHead(200, { etag, 'content-length': bytes.length });
      if (call.method === 'GET') counts.downloads += 1;
      response.end(call.method === 'GET' ? bytes : undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    return { counts, endpoint: `http://127.0.0.1:${port}`, end: () => (isDown = true) };
  }

  it('is downloaded once for all workers, and for those that come after', async () => {
    const repository = await makeFolder();
    const bucket = await startBucket(repository);
    const file = join(repository.path, 'feature_store.yaml');
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace(
        'path: data/registry.db',
        'path: s3://features/registry.db',
      ),
    );
    const sideboard = await startSideboard({
      repoPath: repository.path,
      serveArguments: ['--workers', '3'],
      env: {
        FEAST_S3_ENDPOINT_URL: bucket.endpoint,
        AWS_ACCESS_KEY_ID: 'nobody',
        AWS_SECRET_ACCESS_KEY: 'nothing',
      },
    });
    closers.push(() => sideboard.stop());
    for (let driver = 1; driver <= 6; driver++)
      expect(await ask(sideboard.port, driver)).toBe(driver);
    expect(bucket.counts.downloads).toBe(1);

    repository.writeRegistry(['driver_stats', 'more']);
    const loaded = (): number =>
      sideboard.log.filter((line) => line.includes('registry loaded') && line.includes('more'))
        .length;
    await waitUntil(() => loaded() === 3, { what: 'all workers to load it', timeoutMs: 30_000 });
    expect(bucket.counts.downloads).toBe(2);

    bucket.end();
    process.kill(workerPids(sideboard)[0]!, 'SIGKILL');
    await waitUntil(() => loaded() === 4, { what: 'another worker to load it', timeoutMs: 30_000 });
    expect(await ask(sideboard.port, 7)).toBe(7);
  });
});

describe('what keeps workers from starting', () => {
  it('is said once, with the exit code of a single process', async () => {
    const repository = await makeFolder();
    rmSync(join(repository.path, 'data', 'registry.db'));
    const error = await startSideboard({
      repoPath: repository.path,
      serveArguments: ['--workers', '3'],
    }).catch((reason: unknown) => reason as Error);
    expect(error).toBeInstanceOf(Error);
    const { message } = error as Error;
    expect(message).toMatch(/^the server ended \(1\)/);
    expect(message.match(/there is no such file/g)).toHaveLength(1);
  });

  it('is found out before any worker starts where the port is taken', async () => {
    const { sideboard, repository } = await start(2);
    const error = await startSideboard({
      repoPath: repository.path,
      serveArguments: ['--workers', '2', '--port', String(sideboard.port)],
    }).catch((reason: unknown) => reason as Error);
    expect((error as Error).message).toMatch(
      /^the server ended \(2\)[^]*is in use by another process; choose another with --port/,
    );
  });
});

describe('a supervisor that hears a signal before its workers serve', () => {
  /** Starts one, and sends it a signal as soon as it has a worker. */
  async function startAndSignal(name: NodeJS.Signals): Promise<{
    readonly pid: number;
    readonly workers: readonly number[];
    readonly serving: Promise<SideboardProcess>;
  }> {
    const repository = await makeServedRepository();
    closers.push(() => repository.remove());
    let pid = 0;
    const serving = startSideboard({
      repoPath: repository.path,
      serveArguments: ['--workers', '2'],
      onStart: (started) => (pid = started),
    });
    serving.catch(() => {});
    await waitUntil(() => workerPids({ pid }).length > 0, { what: 'a worker to start' });
    const workers = workerPids({ pid });
    process.kill(pid, name);
    return { pid, workers, serving };
  }

  it('replaces them once they do after SIGHUP', async () => {
    const { workers, serving } = await startAndSignal('SIGHUP');
    const sideboard = await serving;
    closers.push(() => sideboard.stop());
    await waitUntil(() => sideboard.log.some((line) => line.includes('workers replaced')), {
      what: 'the workers to be replaced',
      timeoutMs: 30_000,
    });
    expect(workers.filter(isAlive)).toEqual([]);
    expect(await ask(sideboard.port, 1)).toBe(1);
  });

  it('ends without a failure after SIGTERM, and leaves none behind', async () => {
    const { pid, workers, serving } = await startAndSignal('SIGTERM');
    await expect(serving).rejects.toThrow(/^the server ended \(0\)/);
    expect([pid, ...workers].filter(isAlive)).toEqual([]);
  });
});

it('a supervisor that is told twice ends at once', async () => {
  const { sideboard } = await start(2);
  const pids = workerPids(sideboard);
  // A request that never comes whole keeps the drain waiting.
  const socket = connect(sideboard.port, '127.0.0.1');
  closers.push(() => socket.destroy());
  socket.on('error', () => {});
  socket.write('POST /get-online-features HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{');
  await waitUntil(async () => (await metric(sideboard, 'feature_server_workers')) === 2, {
    what: 'metrics',
  });
  sideboard.signal('SIGTERM');
  await waitUntil(() => sideboard.log.some((line) => line.includes('"draining"')), {
    what: 'the log',
  });
  sideboard.signal('SIGTERM');
  await waitUntil(() => !isAlive(sideboard.pid) && !pids.some(isAlive), {
    what: 'everything to end',
  });
});

async function makeFolder(): Promise<ServedRepository> {
  const repository = await makeServedRepository();
  closers.push(() => repository.remove());
  return repository;
}
