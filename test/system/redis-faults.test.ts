import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  changeName,
  presentBadCertificates,
  reconnectStorm,
  rotatePassword,
  startTlsCluster,
} from '../support/connection-faults.ts';
import { sideboardClient } from '../support/fault-clients.ts';
import { startFaultCluster, type FaultCluster } from '../support/fault-cluster.ts';
import {
  clusterScenarios,
  DEFAULT_SLOTS_MOVED,
  runFault,
  type FaultScenario,
} from '../support/fault-scenarios.ts';
import type { FaultFigures } from '../support/run-under-load.ts';

const OURS = [sideboardClient];
const SCENARIOS = clusterScenarios({
  slots: Number(process.env['FAULT_SLOTS'] ?? DEFAULT_SLOTS_MOVED),
  stopMs: 2_500,
});

/** What a busy machine may add to a window of errors. */
const SLACK_MS = 800;

function scenario(name: string): FaultScenario {
  const found = SCENARIOS.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no scenario ${name}`);
  return found;
}

/** What holds whatever breaks: answers are right or missing, errors come in time, and the store recovers by itself. */
function expectSound({ wrong, late, worstLatenessMs, isRecovered, reads }: FaultFigures): void {
  expect({ wrong, late, isRecovered, worstLatenessMs }).toEqual({
    wrong: 0,
    late: 0,
    isRecovered: true,
    worstLatenessMs: expect.any(Number) as number,
  });
  expect(reads).toBeGreaterThan(100);
}

describe('a cluster that breaks', () => {
  let cluster: FaultCluster;
  beforeAll(async () => {
    cluster = await startFaultCluster();
  });
  afterAll(async () => {
    await cluster?.stop();
  });
  const run = async (name: string): Promise<FaultFigures> => {
    const [figures] = await runFault(scenario(name), OURS, cluster);
    expectSound(figures!);
    return figures!;
  };

  it('primary killed, reads from replicas too: the other copy answers within a second', async () => {
    const { longestWindowMs } = await run('primary killed, reads from replicas too');
    expect(longestWindowMs).toBeLessThan(1_000);
  });

  it('primary killed, reads from primaries: no longer than the cluster itself needs', async () => {
    const { longestWindowMs, notes } = await run('primary killed, reads from primaries');
    // 200 ms of ours, and what a busy machine adds to both figures.
    expect(longestWindowMs).toBeLessThan(notes['election ms']! + 200 + SLACK_MS);
  });

  it('primary stopped, reads from replicas too: the other copy answers within a second', async () => {
    const { longestWindowMs } = await run('primary stopped');
    expect(longestWindowMs).toBeLessThan(1_000);
  });

  it('black hole: the connection is given up after a second of silence', async () => {
    const { longestWindowMs } = await run('black hole');
    expect(longestWindowMs).toBeLessThan(1_000 + SLACK_MS);
  });

  it.each([
    'planned failover',
    'garbage',
    'half a reply, then cut',
    'two primaries of three killed',
    'all nodes restarted',
  ])('%s: never answers wrongly, nor late, and recovers', async (name) => {
    await run(name);
  });

  it('slots half moved, reads from replicas too: what has moved is found where it is', async () => {
    await run('slots half moved, reads from replicas too');
  });

  it('slots half moved, their primary stopped: what has moved is found where it is', async () => {
    const { errors, reads } = await run('slots half moved, their primary stopped');
    expect(errors).toBeLessThan(reads / 2);
  });

  it('slots moved: no read fails', async () => {
    expect(await run('slots moved')).toMatchObject({ errors: 0 });
  });

  it('memory full: no read fails, and writes say so', async () => {
    expect(await run('memory full')).toMatchObject({ errors: 0, notes: { 'writes refused': 1 } });
  });
});

describe('connections that may not stand', () => {
  it('certificates of another authority, expired, for another host: no answer, and why', async () => {
    const refusals = await presentBadCertificates(OURS);
    expect(refusals.map(({ isAnswered }) => isAnswered)).toEqual([false, false, false]);
    expect(refusals.map(({ message }) => message)).toEqual([
      expect.stringContaining('self-signed certificate in certificate chain') as string,
      expect.stringContaining('certificate has expired') as string,
      expect.stringContaining('does not match certificate') as string,
    ]);
  });

  it('a cluster over TLS that announces names fails over', async () => {
    const { cluster, ca, stop } = await startTlsCluster();
    try {
      const killed = scenario('primary killed, reads from primaries');
      const [figures] = await runFault(killed, OURS, cluster, { ca });
      expectSound(figures!);
    } finally {
      await stop();
    }
  });

  it('a password that is replaced in its file is presented at the next connection', async () => {
    const [figures] = await rotatePassword(OURS);
    expectSound(figures!);
    expect(figures).toMatchObject({ errors: 0 });
  });

  it('a name that points elsewhere is resolved again', async () => {
    const [figures] = await changeName(OURS);
    expectSound(figures!);
  });

  it('many servers that lose their node come back at a bounded rate', async () => {
    const servers = 60;
    const storm = await reconnectStorm(sideboardClient, { servers, refusesForMs: 2_500 });
    // Four times a second each; a second of a busy machine may count what was due in the one before it.
    expect(storm.busiestSecond).toBeLessThanOrEqual(6 * servers);
  });
});
