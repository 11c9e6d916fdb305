import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { differences, type GoldenAnswer } from '../support/golden-answer.ts';
import { connectGoldenClients, type GoldenClients } from '../support/golden-clients.ts';
import { startGoldenServer } from '../support/golden-server.ts';
import { goldenVariants, readVectors, type GoldenVariant } from '../support/golden-vectors.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import type { RepositoryServer } from '../support/repository-server.ts';
import { describeWithShared } from '../support/shared.ts';
import { compatibilityPage, createTally } from './compatibility-page.ts';
import { DEPARTURES, expectedAnswer, type Expectation } from './departures.ts';
import { GOLDEN_PROTOCOLS, type GoldenCase, type GoldenProtocol } from './golden-case.ts';
import { namedColumns } from './golden-entities.ts';
import { sentColumns, whatIsAsked } from './golden-question.ts';
import { readGoldenRegistry, requestedOutputs } from './golden-registry.ts';
import { openGoldenStore } from './golden-store.ts';
import { NOT_SERVED } from './not-served.ts';

/** The clock of the server: some recorded rows are older than their TTL, others are not. */
const NOW = Date.parse('2026-06-04T12:00:00Z');

const PAGE = 'docs/compatibility.md';

describeWithShared('requests that Feast answered', () => {
  const tally = createTally();
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

  describe.each(variants.filter((variant) => !isRefused(variant)))(
    '$scenario $variant',
    (variant) => {
      let server: RepositoryServer;
      let clients: GoldenClients;
      beforeAll(async () => {
        server = await startGoldenServer(variant, redis.port);
        clients = connectGoldenClients(server.port);
      });
      afterAll(async () => {
        clients?.close();
        await server?.close();
      });

      it.each(GOLDEN_PROTOCOLS)('over %s', async (protocol) => {
        const problems: string[] = [];
        for (const golden of goldenCases(variant, protocol)) {
          const expectation = expectedAnswer(golden);
          if (expectation === undefined) continue;
          tally.count(golden, expectation);
          const actual = await ask(clients, golden, expectation);
          const lines = [
            ...differences(expectation.answer, actual),
            ...orderProblems(golden, actual),
          ];
          if (lines.length > 0) problems.push(describeProblem(golden, actual, lines));
        }
        if (problems.length > 0) throw new Error(problems.join('\n'));
      });
    },
  );

  // After all of the above, which count.
  it('every departure is one that a vector shows', () => {
    for (const { point } of DEPARTURES) expect(tally.requestsOf(point), point).toBeGreaterThan(0);
    for (const { what } of NOT_SERVED) expect(tally.requestsOf(what), what).toBeGreaterThan(0);
  });

  it(`${PAGE} says so (UPDATE_DOCS=1 writes it)`, () => {
    // Counts of some variants alone are not the page.
    expect(tally.rows.size).toBe(variants.filter((variant) => !isRefused(variant)).length);
    const page = compatibilityPage(tally);
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, page);
    expect(existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : '').toBe(page);
  });
});

/** Decision 1: stores whose keys are cut to four bytes are not served at all. */
function isRefused({ variant }: GoldenVariant): boolean {
  return /ekv[01]/.test(variant);
}

function goldenCases(variant: GoldenVariant, protocol: GoldenProtocol): readonly GoldenCase[] {
  const registry = readGoldenRegistry(variant.scenario, variant.variant);
  const store = openGoldenStore(variant, registry.project);
  return readVectors(variant.scenario, variant.vectorsOf).map((vector) => ({
    variant,
    protocol,
    vector,
    registry,
    store,
    asked: whatIsAsked(vector),
    outputs: requestedOutputs(whatIsAsked(vector), registry),
    sent: sentColumns(vector, protocol === 'JSON'),
    nowSeconds: NOW / 1e3,
  }));
}

function ask(
  clients: GoldenClients,
  { protocol, vector }: GoldenCase,
  { answer }: Expectation,
): Promise<GoldenAnswer> {
  const { http, grpc } = vector.request;
  const asDigest = answer.kind === 'digest';
  if (protocol === 'JSON') return clients.http(http!, asDigest);
  const service = protocol === 'ServingService' ? 'feast.serving.ServingService' : protocol;
  const message = Buffer.from(grpc!.request_b64, 'base64');
  return clients.grpc(`/${service}/GetOnlineFeatures`, message, asDigest);
}

/**
 * Decision 10: entity columns as requested (over gRPC by name, as a map has no order), then features as requested. Feast's
 * own order inside a view is arbitrary.
 */
function orderProblems(golden: GoldenCase, actual: GoldenAnswer): readonly string[] {
  if (actual.kind !== 'features' || golden.outputs === undefined) return [];
  const names = actual.columns.map(({ name }) => name).join(' ');
  const expected = [...namedColumns(golden).keys(), ...golden.outputs.map(({ name }) => name)];
  return names === expected.join(' ')
    ? []
    : [`order: expected ${expected.join(' ')}, got ${names}`];
}

function describeProblem(
  { vector, protocol }: GoldenCase,
  actual: GoldenAnswer,
  lines: readonly string[],
): string {
  const text = actual.kind === 'refused' ? ` (${actual.text})` : '';
  const shown = lines.slice(0, 6).map((line) => `    ${line.slice(0, 300)}`);
  return [`${vector.id} ${protocol}: ${vector.note}${text}`, ...shown].join('\n');
}
