import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  CLIENT_SECRET,
  startOpenIdProvider,
  type OpenIdProvider,
} from '../support/openid-provider.ts';
import { runPython } from '../support/python.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';

const SCRIPT = join(import.meta.dirname, 'python', 'permissions.py');

const YAML = `project: guarded
provider: local
entity_key_serialization_version: 3
`;

/** What came of each step: what was read, "done", or the class of the exception. */
type Outcomes = Readonly<Record<string, unknown>>;

const DENIED = ['FeastPermissionError'];
const EXPECTED: Readonly<Record<string, Outcomes>> = {
  reader: {
    'read driver_stats': [70],
    'read secrets': DENIED,
    'write driver_stats': DENIED,
    'write secrets': DENIED,
  },
  writer: {
    'read driver_stats': DENIED,
    'read secrets': DENIED,
    'write driver_stats': 'done',
    'write secrets': DENIED,
  },
  nobody: {
    'read driver_stats': DENIED,
    'read secrets': DENIED,
    'write driver_stats': DENIED,
    'write secrets': DENIED,
  },
};

/**
 * The real SDK with a remote online store and `auth: {type: oidc}` gets its tokens from a real provider and shows them to our
 * server; the permissions are those that it applied. What it raises is what it makes of Feast's own answers: a 401 of Feast's
 * server is a RuntimeError too.
 */
describe('the SDK with tokens', () => {
  let folder: string;
  let provider: OpenIdProvider;
  let ours: SideboardProcess;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sideboard-permissions-'));
    provider = await startOpenIdProvider({ reader: ['reader'], writer: ['writer'], nobody: [] });
    const path = join(folder, 'server');
    await mkdir(path);
    const yaml = `${YAML}registry: registry.db\nonline_store:\n  type: sqlite\n  path: online.db\n`;
    await writeFile(join(path, 'feature_store.yaml'), yaml);
    await runPython(SCRIPT, ['make', path], { cwd: path });
    await appendFile(
      join(path, 'feature_store.yaml'),
      `auth:
  type: oidc
  auth_discovery_url: ${provider.discoveryUrl}
  client_id: feast
  audience: ${provider.audience}
  issuer: ${provider.issuer}
`,
    );
    ours = await startSideboard({ repoPath: path });
  });

  afterAll(async () => {
    await ours?.stop();
    await provider?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Makes a client with these lines of `auth`, and gives its folder. */
  async function makeClient(name: string, auth: string): Promise<string> {
    const path = join(folder, `client-${name}`);
    await mkdir(path);
    const store = `  type: remote\n  path: http://127.0.0.1:${ours.port}\n  connection_retries: 0\n`;
    await writeFile(
      join(path, 'feature_store.yaml'),
      `${YAML}registry: ${join(folder, 'server', 'registry.db')}\nonline_store:\n${store}${auth}`,
    );
    return path;
  }

  const secretOf = (clientId: string): string => `auth:
  type: oidc
  auth_discovery_url: ${provider.discoveryUrl}
  client_id: ${clientId}
  client_secret: ${CLIENT_SECRET}
`;

  test('may do what its roles may, and raises what it raises with Feast', async () => {
    const [head, body, signature] = (await provider.tokenOf('reader')).split('.');
    const forged = `${head}.${body}.${signature!.slice(0, -8)}AAAAAAAA`;
    const clients: Readonly<Record<string, string>> = {
      ...Object.fromEntries(Object.keys(EXPECTED).map((id) => [id, secretOf(id)])),
      forged: `auth:\n  type: oidc\n  token: ${forged}\n`,
      without: '',
    };
    const names = Object.keys(clients);
    const repos: string[] = [];
    for (const name of names) repos.push(await makeClient(name, clients[name]!));
    const output = await runPython(SCRIPT, ['run', ...repos], { cwd: folder });
    const outcomes = JSON.parse(output) as readonly Outcomes[];
    expect(Object.fromEntries(names.map((name, i) => [name, outcomes[i]!]))).toEqual({
      ...EXPECTED,
      forged: everyStep(['RuntimeError']),
      without: everyStep(['RuntimeError']),
    });
  });
});

function everyStep(outcome: unknown): Outcomes {
  return Object.fromEntries(Object.keys(EXPECTED['reader']!).map((step) => [step, outcome]));
}
