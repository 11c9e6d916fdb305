import { createServer, request as forward, type Server } from 'node:http';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAuthority } from '../support/certificates.ts';
import { runPython } from '../support/python.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { sqliteCells } from '../support/stored-rows.ts';
import { startFeastServer, type FeastServer } from './feast-repo.ts';

const SCRIPT = join(import.meta.dirname, 'python', 'remote_store.py');

const YAML = `project: remote
provider: local
entity_key_serialization_version: 3
`;

/** Steps that come out alike however often they are taken, with and without a token. */
function repeatable(steps: readonly Step[]): readonly Step[] {
  return steps.filter(([name]) => !['read batch', 'materialize an unknown view'].includes(name));
}

type Step = readonly [name: string, outcome: unknown];

/** Decision 5 and 13 to 16 of the contract: where our server answers otherwise, and what the SDK makes of it. */
const OTHERWISE: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  // 12.16: 404 in place of 500, after which the SDK tries again three times and gives up.
  ['unknown feature', ['FeastObjectNotFoundException']],
]);

/**
 * One script of the real SDK with `online_store: {type: remote}` is run against Feast's own server and against ours. Every
 * answer, every exception class and every stored cell have to be equal.
 */
describe('the SDK with a remote online store', () => {
  let folder: string;
  let feast: FeastServer;
  let ours: SideboardProcess;
  let byFeast: readonly Step[];
  let byOurs: readonly Step[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sideboard-remote-'));
    await makeServerRepo('feast');
    await runPython(SCRIPT, ['make', join(folder, 'feast')], { cwd: join(folder, 'feast') });
    await cp(join(folder, 'feast'), join(folder, 'ours'), { recursive: true });
    feast = await startFeastServer({ path: join(folder, 'feast') });
    ours = await startSideboard({ repoPath: join(folder, 'ours') });
    byFeast = await runSteps(await makeClientRepo('feast', feast.url));
    byOurs = await runSteps(await makeClientRepo('ours', `http://127.0.0.1:${ours.port}`));
  });

  afterAll(async () => {
    await ours?.stop();
    await feast?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function makeServerRepo(name: string): Promise<void> {
    const path = join(folder, name);
    await mkdir(join(path, 'data'), { recursive: true });
    await writeFile(
      join(path, 'feature_store.yaml'),
      `${YAML}registry: registry.db\nonline_store:\n  type: sqlite\n  path: online.db\n`,
    );
  }

  /** A client that shares the registry file of its server. */
  async function makeClientRepo(name: string, url: string, more = ''): Promise<string> {
    const path = join(folder, `client-of-${name}`);
    await mkdir(path, { recursive: true });
    const server = name.split('-')[0]!;
    await writeFile(
      join(path, 'feature_store.yaml'),
      `${YAML}registry: ${join(folder, server, 'registry.db')}\nonline_store:\n  type: remote\n  path: ${url}\n${more}`,
    );
    return path;
  }

  async function runSteps(
    clientRepo: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<readonly Step[]> {
    const output = await runPython(SCRIPT, ['run', clientRepo], { cwd: clientRepo, env });
    return JSON.parse(output) as Step[];
  }

  test('gets the same answers and exceptions from both servers', () => {
    const written = byOurs.filter(
      ([name, outcome]) => name.startsWith('write') && outcome === 'done',
    );
    expect(written.length).toBeGreaterThan(15);
    expect(byOurs.map(([name]) => name)).toEqual(byFeast.map(([name]) => name));
    for (const [i, [name, outcome]] of byFeast.entries()) {
      expect(byOurs[i]![1], name).toEqual(OTHERWISE.get(name) ?? outcome);
    }
  });

  test('leaves the same cells in both stores', () => {
    const types = byFeast.flatMap(([name]) => /^write (\w_\w+)$/.exec(name)?.[1] ?? []);
    expect(types.length).toBeGreaterThan(15);
    const views = [...types.map((type) => `v_${type}`), 'clicks', 'pairs', 'batch'];
    const cells = (name: string) =>
      Object.fromEntries(sqliteCells(join(folder, name, 'online.db'), 'remote', views));
    const stored = cells('feast');
    expect(Object.keys(stored).length).toBeGreaterThan(3000);
    expect(cells('ours')).toEqual(stored);
  });

  test('waits for a materialization in the background', async () => {
    const output = await runPython(SCRIPT, ['wait', join(folder, 'client-of-ours')]);
    expect((JSON.parse(output) as string[]).at(-1)).toBe('23');
  });

  test('works over TLS with its cert', async () => {
    const authority = createAuthority(folder, 'authority');
    const { certFile, keyFile } = authority.issue('server', {
      names: ['DNS:localhost', 'IP:127.0.0.1'],
    });
    const secure = await startSideboard({
      repoPath: join(folder, 'ours'),
      env: { SIDEBOARD_TLS_CERT_FILE: certFile, SIDEBOARD_TLS_KEY_FILE: keyFile },
    });
    try {
      const url = `https://localhost:${secure.port}`;
      const trusted = await makeClientRepo('ours-tls', url, `  cert: ${authority.certFile}\n`);
      expect(repeatable(await runSteps(trusted))).toEqual(repeatable(byOurs));
      const distrusted = await makeClientRepo('ours-plain', url, '  connection_retries: 0\n');
      const steps = await runSteps(distrusted);
      expect(steps.find(([name]) => name === 'read f_int64')?.[1]).toEqual(['SSLError']);
    } finally {
      await secure.stop();
    }
  });

  test('sends its token along', async () => {
    const tokens = new Set<string | undefined>();
    const proxy = await startProxy(ours.port, (token) => tokens.add(token));
    try {
      const { port } = proxy.address() as AddressInfo;
      const client = await makeClientRepo(
        'ours-token',
        `http://127.0.0.1:${port}`,
        'auth:\n  type: kubernetes\n',
      );
      const steps = await runSteps(client, { LOCAL_K8S_TOKEN: 'a.b.c' });
      expect(repeatable(steps)).toEqual(repeatable(byOurs));
      expect([...tokens]).toEqual(['Bearer a.b.c']);
    } finally {
      proxy.close();
    }
  });
});

/** Passes requests on and tells of their Authorization headers. */
async function startProxy(
  port: number,
  onToken: (token: string | undefined) => void,
): Promise<Server> {
  const proxy = createServer((incoming, outgoing) => {
    onToken(incoming.headers.authorization);
    const { method, url, headers } = incoming;
    const passed = forward({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return proxy;
}
