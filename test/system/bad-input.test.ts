import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BAD_INPUT,
  GOOD_INPUT,
  MAX_REQUEST_BYTES,
  openRawClients,
  type BadInput,
  type RawClients,
} from '../support/bad-input.ts';
import { readMemory, REPORT_MEMORY } from '../support/server-memory.ts';
import { makeServedRepository, type ServedRepository } from '../support/served-repository.ts';
import { startSideboard, type SideboardProcess } from '../support/sideboard-process.ts';
import { waitUntil } from '../support/wait-until.ts';

/** How many requests the leak check sends; CONTRIBUTING.md says what the default leaves out. */
const LEAK_REQUESTS = Number(process.env['SIDEBOARD_LEAK_REQUESTS'] ?? 10_000);
const MIB = 2 ** 20;
/** What may be left after collecting garbage: nothing by request, but caches and code still fill a little. */
const MAX_GROWTH_MIB = 4;
/** The first part only warms up. */
const PARTS = 10;
const CONCURRENCY = 16;
/** Inputs on connections of their own are sent in one round of so many, or the ports of the machine run out. */
const CONNECTION_ROUNDS = 25;

let repository: ServedRepository;
let server: SideboardProcess;

beforeAll(async () => {
  repository = await makeServedRepository();
  server = await startSideboard({
    repoPath: repository.path,
    env: { SIDEBOARD_MAX_REQUEST_BYTES: String(MAX_REQUEST_BYTES) },
    nodeArguments: REPORT_MEMORY,
  });
});

afterAll(async () => {
  await server?.stop();
  repository?.remove();
});

/** What the server holds when nothing is asked of it. */
interface Holdings {
  readonly openFiles: number;
  readonly inFlight: number;
  readonly connections: number;
  /** Sockets, timers and all else that keeps the event loop alive. */
  readonly resources: number;
  /** Live objects, and memory outside of the heap that they hold. */
  readonly liveMiB: number;
  readonly rssMiB: number;
}

async function holdings(): Promise<Holdings> {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  const read = (name: string): number =>
    Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1] ?? NaN);
  const memory = await readMemory(server);
  return {
    openFiles: read('process_open_fds'),
    inFlight: read('feature_server_inflight_requests'),
    connections: read('feature_server_http2_connections'),
    resources: memory.resources,
    liveMiB: round((memory.heapUsed + memory.external) / MIB),
    rssMiB: round(memory.rss / MIB),
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

describe('bad input', () => {
  let clients: RawClients;
  beforeAll(() => {
    clients = openRawClients(server.port);
  });
  afterAll(() => clients?.close());

  it.each([...GOOD_INPUT, ...BAD_INPUT].map((input) => [input.name, input] as const))(
    '%s',
    async (_, input) => {
      expect(await input.send(clients)).toBe(input.expected);
    },
  );

  it('is no fault of the server: its log holds no error', () => {
    expect(server.log.filter((line) => /"level":(?:50|60)/.test(line))).toEqual([]);
  });
});

describe(`${LEAK_REQUESTS} requests, good and bad`, () => {
  it('leave no connection, handle, file or memory behind', { timeout: 3_600_000 }, async () => {
    const fresh = await holdings();
    const samples: Holdings[] = [];
    for (let part = 0; part < PARTS; part += 1) {
      await sendRequests(LEAK_REQUESTS / PARTS);
      await waitUntil(async () => isIdle(await holdings(), fresh), {
        what: 'what is open to close',
      });
      samples.push(await holdings());
    }
    if (process.env['SIDEBOARD_LEAK_REQUESTS'] !== undefined) console.table([fresh, ...samples]);
    const [warm] = samples;
    expect(samples.at(-1)!.liveMiB - warm!.liveMiB).toBeLessThan(MAX_GROWTH_MIB);
  });
});

/** Whether all that was open for requests is closed again. */
function isIdle(now: Holdings, fresh: Holdings): boolean {
  return (
    now.inFlight === 0 &&
    now.connections === 0 &&
    now.openFiles <= fresh.openFiles &&
    now.resources <= fresh.resources
  );
}

/** Sends inputs in turn, several at a time, and holds every answer. */
async function sendRequests(count: number): Promise<void> {
  const inputs = [...GOOD_INPUT, ...BAD_INPUT];
  const clients = openRawClients(server.port);
  let sent = 0;
  const next = (): BadInput | undefined => {
    for (;;) {
      if (sent >= count) return undefined;
      const round = Math.floor(sent / inputs.length);
      const input = inputs[sent++ % inputs.length]!;
      if (!input.name.startsWith('bytes') || round % CONNECTION_ROUNDS === 0) return input;
    }
  };
  const work = async (): Promise<void> => {
    for (let input = next(); input !== undefined; input = next()) {
      const outcome = await input.send(clients);
      if (outcome !== input.expected) throw new Error(`${input.name}: ${outcome}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
  } finally {
    clients.close();
  }
}
