import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startOpenIdProvider, type OpenIdProvider } from '../support/openid-provider.ts';
import { runPython } from '../support/python.ts';
import { comparable, expectedOf, idleSteps, unexplained } from './drop-in-comparison.ts';
import {
  guardedDeparturesOn,
  KNOWN_CALLERS,
  STRANGERS,
  type CallerName,
} from './drop-in-guarded-departures.ts';
import {
  configureClient,
  fillWorlds,
  leftBy,
  makeWorld,
  startServers,
  type Guard,
  type Played,
  type Side,
  type Step,
  type StoreKind,
  type World,
} from './drop-in-world.ts';

const SCRIPT = join(import.meta.dirname, 'python', 'drop_in_permissions.py');
const KINDS: readonly StoreKind[] = ['redis', 'sqlite'];
const SECRET = Buffer.from('known to servers alone').toString('base64');

/** The value of the header that says who asks; null = none. */
type Callers = Readonly<Record<CallerName, string | null>>;

interface Pair {
  readonly byFeast: Played;
  readonly byOurs: Played;
}

/**
 * What the permissions that the real SDK applied come to: the same callers ask Feast's servers and ours, over HTTP, over gRPC
 * and with the SDK, on Redis and on SQLite. Every answer, every exception class and every stored byte has to be equal, or to be
 * what a numbered departure makes of Feast's.
 */
describe('in the place of Feast’s servers, with permissions', () => {
  let folder: string;
  let provider: OpenIdProvider;
  const worlds: World[] = [];
  const pairs = new Map<StoreKind, Pair>();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sideboard-drop-in-permissions-'));
    provider = await startOpenIdProvider({ reader: ['reader'], writer: ['writer'], nobody: [] });
    const guard: Guard = {
      auth: `auth:
  type: oidc
  auth_discovery_url: ${provider.discoveryUrl}
  client_id: feast
  audience: ${provider.audience}
  issuer: ${provider.issuer}
`,
      env: { INTRA_COMMUNICATION_BASE64: SECRET },
    };
    const make = async (kind: StoreKind, side: Side): Promise<World> => {
      const world = await makeWorld(folder, kind, side, guard);
      worlds.push(world);
      return world;
    };
    for (const kind of KINDS) {
      await make(kind, 'feast');
      await make(kind, 'ours');
    }
    await fillWorlds(worlds, SCRIPT);
    for (const kind of KINDS) {
      const [feast, ours] = worlds.filter((world) => world.kind === kind) as [World, World];
      // Of this moment, since tokens are good for minutes.
      const callers = await makeCallers(provider);
      const [byFeast, byOurs] = await Promise.all([play(feast, callers), play(ours, callers)]);
      pairs.set(kind, { byFeast, byOurs });
    }
  });

  afterAll(async () => {
    for (const { redis } of worlds) await redis?.stop();
    await provider?.close();
    await rm(folder, { recursive: true, force: true });
  });

  describe.each(KINDS)('on %s', (kind) => {
    const departures = guardedDeparturesOn(kind);

    test('answers and raises what Feast does, or what a departure says', () => {
      const { byFeast, byOurs } = pairs.get(kind)!;
      expect(byOurs.steps.map(([name]) => name)).toEqual(byFeast.steps.map(([name]) => name));
      expect(byFeast.steps.length).toBeGreaterThan(600);
      const expected = expectedOf(departures, byFeast.steps);
      for (const [name, outcome] of byOurs.steps) {
        expect.soft(comparable(outcome), name).toEqual(expected(name));
      }
      expect(unexplained(byOurs.steps)).toEqual([]);
    });

    test('departs nowhere without need', () => {
      expect(idleSteps(departures, pairs.get(kind)!.byFeast.steps)).toEqual([]);
    });

    test('lets in whom Feast lets in', () => {
      const { steps } = pairs.get(kind)!.byFeast;
      const outcomes = new Map(steps);
      const isTurnedAway = (caller: CallerName): boolean =>
        outcomes.get(`${caller}: HTTP read driver_stats`)?.failed === 401;
      expect(KNOWN_CALLERS.filter(isTurnedAway)).toEqual([]);
      expect(STRANGERS.filter((caller) => !isTurnedAway(caller))).toEqual([]);
      // What the permissions come to: everything, something and nothing at all.
      const allowed = (caller: CallerName): number =>
        steps.filter(
          ([name, { failed }]) => name.startsWith(`${caller}: HTTP`) && failed === undefined,
        ).length;
      expect(allowed('owner')).toBeGreaterThan(allowed('both'));
      expect(allowed('both')).toBeGreaterThan(allowed('reader'));
      expect(allowed('reader')).toBeGreaterThan(allowed('nobody'));
    });

    test('stores the same bytes and records the same intervals', () => {
      const { byFeast, byOurs } = pairs.get(kind)!;
      expect(storedCells(byFeast)).toBeGreaterThan(10);
      expect(byOurs.stored).toEqual(byFeast.stored);
      expect(byOurs.recorded).toEqual(byFeast.recorded);
    });
  });
});

/** How many there are: in SQLite each is an entry, in Redis they are the fields of one. */
function storedCells({ stored }: Played): number {
  const cells = Object.values(stored) as { readonly fields?: object }[];
  return cells.reduce((count, { fields = [0] }) => count + Object.keys(fields).length, 0);
}

async function makeCallers(provider: OpenIdProvider): Promise<Callers> {
  const bearer = async (token: Promise<string>): Promise<string> => `Bearer ${await token}`;
  const reader = await provider.tokenOf('reader');
  const [head, body, signature] = reader.split('.');
  const now = Math.floor(Date.now() / 1000);
  const plain = (claims: object): string =>
    `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`;
  return {
    reader: `Bearer ${reader}`,
    writer: await bearer(provider.tokenOf('writer')),
    nobody: await bearer(provider.tokenOf('nobody')),
    both: await bearer(provider.sign({ roles: ['reader', 'writer'] })),
    auditor: await bearer(provider.sign({ roles: ['auditor'] })),
    owner: await bearer(provider.sign({ roles: ['owner'] })),
    'of the client': await bearer(
      provider.sign({ resource_access: { feast: { roles: ['analyst'] } } }),
    ),
    'of another client': await bearer(
      provider.sign({ resource_access: { other: { roles: ['reader'] } } }),
    ),
    'of a group': await bearer(provider.sign({ groups: ['maps'] })),
    'of a group that is a text': await bearer(provider.sign({ groups: 'maps', roles: 'reader' })),
    'a server': `Bearer ${plain({ preferred_username: SECRET })}`,
    unsigned: `Bearer ${plain({ preferred_username: 'reader', roles: ['owner'], exp: now + 300 })}`,
    'no token': null,
    'no bearer': `Basic ${Buffer.from('reader:secret').toString('base64')}`,
    gibberish: 'Bearer gibberish',
    'nothing after the scheme': 'Bearer',
    expired: await bearer(provider.sign({ roles: ['owner'], exp: now - 60 })),
    'not valid yet': await bearer(provider.sign({ roles: ['owner'], nbf: now + 600 })),
    'of another audience': await bearer(provider.sign({ roles: ['owner'], aud: 'another' })),
    'of another issuer': await bearer(provider.sign({ roles: ['owner'], iss: 'https://other' })),
    forged: `Bearer ${head}.${body}.${signature!.slice(0, -8)}AAAAAAAA`,
    'of a cluster': await bearer(provider.sign({ roles: ['owner'], 'kubernetes.io': {} })),
  };
}

/** Starts the servers of a world and has the callers ask them. */
async function play(world: World, callers: Callers): Promise<Played> {
  const servers = await startServers(world);
  try {
    const asking: (readonly [string, string | null, string | null])[] = [];
    for (const [name, authorization] of Object.entries(callers)) {
      const token =
        authorization?.startsWith('Bearer ') === true ? authorization.slice(7) : undefined;
      let client: string | null = null;
      if (authorization === null || (token !== undefined && token !== 'gibberish')) {
        client = join(world.client, name.replaceAll(' ', '-'));
        await mkdir(client);
        const auth = token === undefined ? '' : `auth:\n  type: oidc\n  token: ${token}\n`;
        await configureClient(world, servers.url, client, auth);
      }
      asking.push([name, authorization, client]);
    }
    const output = await runPython(SCRIPT, ['run', servers.url, servers.address], {
      cwd: world.client,
      input: JSON.stringify(asking),
    });
    return { steps: JSON.parse(output) as Step[], ...(await leftBy(world)) };
  } finally {
    await servers.stop();
  }
}
