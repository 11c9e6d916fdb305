import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askServer, type ServerQuestion } from '../../src/cli/ask-server.ts';
import { isNothingStored } from '../../src/cli/feature-answer.ts';
import { parseEntityArguments } from '../../src/cli/entity-arguments.ts';
import { whyNoAnswer, type NoAnswer } from '../../src/cli/why-no-answer.ts';
import type { RunningServer } from '../../src/server.ts';
import { createAuthority } from '../support/certificates.ts';
import { freePort } from '../support/redis-server.ts';
import { serveRepository } from '../support/repository-server.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';

const PROTOCOLS = ['grpc', 'connect', 'json'] as const;
type Protocol = (typeof PROTOCOLS)[number];

let folder: string;
let repository: ServedRepository;
let plain: RunningServer;
let secure: RunningServer;
let other: Server;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-first-day-'));
  repository = await makeServedRepository();
  plain = await serveRepository(repository.path);
  const issued = createAuthority(folder, 'ca').issue('server', { names: ['DNS:localhost'] });
  secure = await serveRepository(repository.path, {
    tls_cert_file: issued.certFile,
    tls_key_file: issued.keyFile,
  });
  other = createServer((_request, response) => response.writeHead(404).end('not here'));
  await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  other.closeAllConnections();
  other.close();
  await Promise.all([plain.close(), secure.close()]);
  repository.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** What is asked of a server. */
function question(server: string, protocol: Protocol, reference: string): ServerQuestion {
  return {
    server,
    protocol,
    featureService: undefined,
    features: [reference],
    entities: parseEntityArguments(['driver_id=999']),
    fullFeatureNames: false,
    deadlineMs: 10_000,
  };
}

/** What somebody is told who asks there. */
async function told(
  server: string,
  protocol: Protocol,
  reference = 'driver_stats:trips',
): Promise<NoAnswer> {
  try {
    await askServer(question(server, protocol, reference));
  } catch (error) {
    return whyNoAnswer(error, server);
  }
  throw new Error('it was answered');
}

const portOf = ({ address }: RunningServer): number => address.port;

describe.each(PROTOCOLS)('who asks over %s is told', (protocol) => {
  it('that nobody listens there', async () => {
    const server = `http://localhost:${await freePort()}`;
    const { reason, isQuestionWrong } = await told(server, protocol);
    expect(reason).toMatch(/^cannot reach http:.*ECONNREFUSED.*start it with "sideboard serve"/);
    expect(isQuestionWrong).toBe(false);
  });

  it('that it is the port of metrics, or another server', async () => {
    const ports = [plain.adminAddress.port, (other.address() as AddressInfo).port];
    for (const port of ports) {
      const { reason, isQuestionWrong } = await told(`http://localhost:${port}`, protocol);
      expect(reason).toMatch(/^what listens at http:.* does not answer .*--admin-port.*--server$/);
      expect(isQuestionWrong).toBe(false);
    }
  });

  it('that the port speaks no TLS', async () => {
    const { reason } = await told(`https://localhost:${portOf(plain)}`, protocol);
    expect(reason).toMatch(/ does not speak TLS: ask by http:\/\/$/);
  });

  it('that the port wants TLS', async () => {
    const { reason } = await told(`http://localhost:${portOf(secure)}`, protocol);
    expect(reason).toMatch(/ closed the connection .*with TLS, ask by https:\/\/$/);
  });

  it('that the certificate is not trusted, and how it will be', async () => {
    const { reason } = await told(`https://localhost:${portOf(secure)}`, protocol);
    expect(reason).toMatch(/ is not trusted \(\w+\): .*NODE_EXTRA_CA_CERTS=ca\.pem$/);
  });

  it('what is wrong with the question', async () => {
    const server = `http://localhost:${portOf(plain)}`;
    const { reason, isQuestionWrong } = await told(server, protocol, 'driver_stat:trips');
    expect(reason).toMatch(/NOT_FOUND|HTTP 404/);
    expect(reason).toContain(
      'Feature view driver_stat does not exist in project rides; did you mean driver_stats?',
    );
    expect(isQuestionWrong).toBe(true);
  });

  it('that nothing is stored of anybody', async () => {
    const server = `http://localhost:${portOf(plain)}`;
    const asked = question(server, protocol, 'driver_stats:trips');
    expect(isNothingStored(await askServer(asked), asked.entities)).toBe(true);
  });
});
