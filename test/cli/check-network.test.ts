import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkNetwork } from '../../src/cli/check-network.ts';
import type { CheckFinding } from '../../src/cli/check-finding.ts';
import { loadYaml } from '../config/repository.ts';
import { createAuthority, type CertificateAuthority } from '../support/certificates.ts';

let folder: string;
let authority: CertificateAuthority;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sideboard-check-'));
  authority = createAuthority(folder, 'authority');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function check(
  settings: Readonly<Record<string, string>>,
  needsTokens = false,
): Promise<readonly CheckFinding[]> {
  const lines = Object.entries(settings).map(
    ([name, value]) => `  ${name}: ${JSON.stringify(value)}\n`,
  );
  return checkNetwork(
    loadYaml(`project: rides\nsideboard:\n${lines.join('')}`).server,
    needsTokens,
  );
}

const levels = (findings: readonly CheckFinding[]): string[] => findings.map(({ level }) => level);

describe('sideboard check', () => {
  test('finds nothing open by default', async () => {
    const findings = await check({ log_level: 'info' });
    expect(findings).toEqual([
      {
        part: 'network',
        level: 'ok',
        message: 'port 127.0.0.1:6566: plain text, reachable from this machine alone',
      },
      {
        part: 'network',
        level: 'ok',
        message: 'admin port 127.0.0.1:6567: reachable from this machine alone',
      },
    ]);
  });

  test('says which share of the connections each worker has', async () => {
    const shareOf = async (workers: string, max: string): Promise<string | undefined> => {
      const findings = await check({ workers, max_connections: max });
      return findings.find(({ message }) => message.startsWith('max_connections'))?.message;
    };
    expect(await shareOf('3', '10')).toBe(
      'max_connections 10: each of 3 workers has 4 open at most',
    );
    expect(await shareOf('4', '2')).toBe('max_connections 2: each of 4 workers has 1 open at most');
    expect(await shareOf('1', '10')).toBeUndefined();
  });

  test.each(['0.0.0.0', '::', '10.1.2.3', 'features.example'])(
    'says that %s is open',
    async (host) => {
      const findings = await check({ host, admin_host: host });
      expect(levels(findings)).toEqual(['warning', 'warning']);
      expect(findings[0]!.message).toMatch(/open to the network: whoever reaches it can read/);
      expect(findings[0]!.remedy).toMatch(/tls_client_ca_file/);
    },
  );

  test('says that tokens travel in the clear', async () => {
    const [port] = await check({ host: '0.0.0.0' }, true);
    expect(port).toMatchObject({ level: 'warning' });
    expect(port!.message).toMatch(/can use the tokens of others/);
  });

  test('tells who may connect over TLS, and how long the certificate holds', async () => {
    const { certFile, keyFile } = authority.issue('server', { names: ['DNS:localhost'], days: 60 });
    const tls = { host: '0.0.0.0', tls_cert_file: certFile, tls_key_file: keyFile };
    const open = await check(tls);
    expect(open[0]).toMatchObject({
      level: 'ok',
      message: 'port 0.0.0.0:6566: TLS, open to every client that reaches it',
    });
    expect(open[1]!.message).toMatch(/^certificate for DNS:localhost, until \d{4}-\d\d-\d\d$/);
    const closed = await check({
      ...tls,
      tls_client_ca_file: authority.certFile,
      tls_client_names: 'a.example',
    });
    expect(closed[0]!.message).toMatch(/authority\.pem with one of the names a\.example$/);
    // The authority of the clients is a certificate too, and this one lasts a day.
    expect(levels(closed)).toEqual(['ok', 'ok', 'warning', 'ok']);
    expect(closed[2]!.message).toMatch(/CN=authority in \S+ expires in \d days/);
  });

  test('tells which certificates would keep clients out', async () => {
    const expired = authority.issue('expired', { names: [], days: -1 });
    const findings = await check({
      tls_cert_file: expired.certFile,
      tls_key_file: expired.keyFile,
    });
    expect(levels(findings)).toEqual(['ok', 'ok', 'error', 'warning', 'ok']);
    const missing = await check({ tls_cert_file: 'none.pem', tls_key_file: expired.keyFile });
    expect(missing[1]!.message).toMatch(/^tls_cert_file: \S+none\.pem cannot be read: ENOENT$/);
  });

  test('tells which pages may call from a browser', async () => {
    const [, some] = await check({ cors_origins: 'https://a.example,https://b.example' });
    expect(some).toMatchObject({
      level: 'ok',
      message: 'cors_origins: pages of https://a.example, https://b.example may call',
    });
    const [, all] = await check({ cors_origins: '*' });
    expect(all).toMatchObject({ level: 'warning', remedy: expect.any(String) as unknown });
    expect(all!.message).toMatch(/^cors_origins \*: every page of the web may call/);
  });

  test('knows addresses that lead to this machine alone', async () => {
    for (const host of ['localhost', '127.0.0.1', '127.8.9.10', '::1']) {
      expect(levels(await check({ host, admin_host: host }))).toEqual(['ok', 'ok']);
    }
    for (const host of ['127.0.0.1.example', '127.evil.example', '::']) {
      expect(levels(await check({ host, admin_host: host }))).toEqual(['warning', 'warning']);
    }
  });

  test('tells who may use the unix socket', async () => {
    const [, closed] = await check({ unix_socket: 'serve.sock' });
    expect(closed).toMatchObject({ level: 'ok' });
    expect(closed!.message).toMatch(/serve\.sock: plain text, mode 0600$/);
    const [, open] = await check({ unix_socket: 'serve.sock', unix_socket_mode: '0666' });
    expect(open).toMatchObject({ level: 'warning' });
  });
});
