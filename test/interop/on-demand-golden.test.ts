import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Departure } from '../golden/golden-case.ts';
import { GOLDEN_PROTOCOLS } from '../golden/golden-case.ts';
import { NOW, runGolden } from '../golden/golden-run.ts';
import { ON_DEMAND_DEPARTURES } from '../golden/on-demand-departures.ts';
import { connectGoldenClients, type GoldenClients } from '../support/golden-clients.ts';
import { startGoldenServer } from '../support/golden-server.ts';
import { goldenVariants, scenarioFile } from '../support/golden-vectors.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import type { RepositoryServer } from '../support/repository-server.ts';
import { describeWithShared } from '../support/shared.ts';
import { startFeastTransformationServer, type ForeignServer } from './foreign-servers.ts';

describeWithShared('on-demand views that Feast computed', () => {
  const seen = new Set<Departure>();
  let sameCount = 0;
  let redis: RedisServer;
  let transformation: ForeignServer;
  let folder: string;
  beforeAll(async () => {
    redis = await startRedis();
    folder = await mkdtemp(join(tmpdir(), 'sideboard-transformations-'));
    for (const [from, to] of [
      ['feature_store.sqlite.yaml', 'feature_store.yaml'],
      ['registry.sqlite.db', 'registry.db'],
    ] as const) {
      await copyFile(scenarioFile('ondemand', from), join(folder, to));
    }
    transformation = await startFeastTransformationServer(folder);
    vi.useFakeTimers({ toFake: ['Date'], now: NOW });
  });
  afterAll(async () => {
    vi.useRealTimers();
    await transformation?.stop();
    await redis?.stop();
    await rm(folder, { recursive: true });
  });

  const variants = goldenVariants().filter(({ scenario }) => scenario === 'ondemand');
  describe.each(variants)('$variant', (variant) => {
    let server: RepositoryServer;
    let clients: GoldenClients;
    beforeAll(async () => {
      const endpoint = `127.0.0.1:${transformation.port}`;
      server = await startGoldenServer(
        variant,
        redis.port,
        {},
        `\nfeature_server:\n  transformation_service_endpoint: ${endpoint}\n`,
      );
      clients = connectGoldenClients(server.port);
    });
    afterAll(async () => {
      clients?.close();
      await server?.close();
    });

    it.each(GOLDEN_PROTOCOLS)('over %s', (protocol) =>
      runGolden(variant, protocol, {
        clients,
        asFeast: false,
        computes: true,
        onRequest: (_golden, { departures, notServed }) => {
          for (const departure of departures) seen.add(departure);
          if (departures.length === 0 && notServed === undefined) sameCount++;
        },
      }),
    );
  });

  it('every departure is one that a vector shows, and there are answers without', () => {
    for (const departure of ON_DEMAND_DEPARTURES) expect(seen).toContain(departure);
    expect(sameCount).toBeGreaterThan(0);
  });
});
