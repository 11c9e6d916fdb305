import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { connectGoldenClients, type GoldenClients } from '../support/golden-clients.ts';
import { startGoldenServer } from '../support/golden-server.ts';
import { goldenVariants } from '../support/golden-vectors.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import type { RepositoryServer } from '../support/repository-server.ts';
import { describeWithShared } from '../support/shared.ts';
import { compatibilityPage, createTally } from './compatibility-page.ts';
import { DEPARTURES } from './departures.ts';
import { GOLDEN_PROTOCOLS } from './golden-case.ts';
import { isRefused, NOW, runGolden } from './golden-run.ts';
import { NOT_SERVED } from './not-served.ts';

const PAGE = 'docs/compatibility.md';

/** Feast's side wherever an operator may choose. */
const AS_FEAST = {
  missing_entity: 'present',
  lossy_entity_coercion: true,
  online_ttl: 'ignore',
};

describeWithShared('requests that Feast answered', () => {
  const tally = createTally();
  const asFeastTally = createTally();
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
    vi.useFakeTimers({ toFake: ['Date'], now: NOW });
  });
  afterAll(async () => {
    vi.useRealTimers();
    await redis.stop();
  });

  const variants = goldenVariants();
  it.each(variants.filter(isRefused))('$scenario $variant: is not served', async (variant) => {
    await expect(startGoldenServer(variant, redis.port)).rejects.toThrow(
      /entity_key_serialization_version [01] is not supported: .* write the store again with version 3/,
    );
  });

  const served = variants.filter((variant) => !isRefused(variant));
  // `missing_entity: present` is what Feast does on Redis alone.
  const modes = [
    { mode: 'by default', settings: {}, asFeast: false, of: served },
    {
      mode: 'as Feast',
      settings: AS_FEAST,
      asFeast: true,
      of: served.filter(({ store }) => store === 'redis'),
    },
  ];
  for (const { mode, settings, asFeast, of } of modes) {
    describe.each(of)(`$scenario $variant, ${mode}`, (variant) => {
      let server: RepositoryServer;
      let clients: GoldenClients;
      beforeAll(async () => {
        server = await startGoldenServer(variant, redis.port, settings);
        clients = connectGoldenClients(server.port);
      });
      afterAll(async () => {
        clients?.close();
        await server?.close();
      });

      it.each(GOLDEN_PROTOCOLS)('over %s', (protocol) =>
        runGolden(variant, protocol, {
          clients,
          asFeast,
          onRequest: asFeast ? asFeastTally.count : tally.count,
        }),
      );
    });
  }

  // After all of the above, which count.
  it('every departure is one that a vector shows', () => {
    for (const { point } of DEPARTURES) expect(tally.requestsOf(point), point).toBeGreaterThan(0);
    for (const { what } of NOT_SERVED) expect(tally.requestsOf(what), what).toBeGreaterThan(0);
  });

  it(`${PAGE} says so (UPDATE_DOCS=1 writes it)`, () => {
    // Counts of some variants alone are not the page.
    expect(tally.rows.size).toBe(served.length);
    const page = compatibilityPage(tally, asFeastTally, AS_FEAST);
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, page);
    expect(existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : '').toBe(page);
  });
});
