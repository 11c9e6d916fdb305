import { setTimeout as delay } from 'node:timers/promises';
import {
  changeName,
  presentBadCertificates,
  reconnectStorm,
  rotatePassword,
  startTlsCluster,
  type RefusalFigures,
  type StormFigures,
} from '../../test/support/connection-faults.ts';
import { ioredisClient, sideboardClient } from '../../test/support/fault-clients.ts';
import { startFaultCluster } from '../../test/support/fault-cluster.ts';
import { clusterScenarios, runFault, TLS_SCENARIOS } from '../../test/support/fault-scenarios.ts';
import type { FaultFigures } from '../../test/support/run-under-load.ts';

/** One fault under load. */
export interface FaultRow {
  readonly name: string;
  readonly summary: string;
  /** One per client. */
  readonly figures: readonly FaultFigures[];
}

/** All faults, each client in the same run. */
export interface FaultReport {
  readonly faults: readonly FaultRow[];
  readonly refusals: readonly RefusalFigures[];
  readonly storms: readonly StormFigures[];
}

export interface FaultOptions {
  /** Slots that move under load. */
  readonly slots: number;
  /** How long a stopped node stays so. */
  readonly stopMs: number;
  readonly say: (text: string) => void;
}

const CLIENTS = [sideboardClient, ioredisClient];
/** Between faults: what a healed cluster still has to tell itself. */
const PAUSE_MS = 1_000;

/** Runs every fault once, with this project's store and ioredis reading at the same time. */
export async function measureFaults({ slots, stopMs, say }: FaultOptions): Promise<FaultReport> {
  const faults: FaultRow[] = [];
  const add = (name: string, summary: string, figures: readonly FaultFigures[]): void => {
    faults.push({ name, summary, figures });
    const windows = figures.map(
      ({ client, errors, longestWindowMs }) =>
        `${client} ${errors} errors, ${Math.round(longestWindowMs)} ms`,
    );
    say(`${name}: ${windows.join('; ')}`);
  };
  const cluster = await startFaultCluster();
  try {
    for (const scenario of clusterScenarios({ slots, stopMs })) {
      add(scenario.name, scenario.summary, await runFault(scenario, CLIENTS, cluster));
      await delay(PAUSE_MS);
    }
  } finally {
    await cluster.stop();
  }
  const overTls = await startTlsCluster();
  try {
    const scenarios = clusterScenarios({ slots, stopMs }).filter(({ name }) =>
      TLS_SCENARIOS.includes(name),
    );
    for (const scenario of scenarios) {
      const { ca } = overTls;
      const figures = await runFault(scenario, CLIENTS, overTls.cluster, { ca });
      add(`${scenario.name}, over TLS`, scenario.summary, figures);
      await delay(PAUSE_MS);
    }
  } finally {
    await overTls.stop();
  }
  add(
    'password rotated',
    'the password is replaced and all connections are ended',
    await rotatePassword(CLIENTS),
  );
  add(
    'name points elsewhere',
    'the machine behind a host name dies, and the name gets another address after a second',
    await changeName(CLIENTS),
  );
  const refusals = await presentBadCertificates(CLIENTS);
  const storms: StormFigures[] = [];
  for (const client of CLIENTS) storms.push(await reconnectStorm(client));
  return { faults, refusals, storms };
}
