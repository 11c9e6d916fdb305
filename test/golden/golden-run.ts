import { differences, type GoldenAnswer } from '../support/golden-answer.ts';
import type { GoldenClients } from '../support/golden-clients.ts';
import { readVectors, type GoldenVariant } from '../support/golden-vectors.ts';
import { expectedAnswer, type Expectation } from './departures.ts';
import type { GoldenCase, GoldenProtocol } from './golden-case.ts';
import { namedColumns } from './golden-entities.ts';
import { sentColumns, whatIsAsked } from './golden-question.ts';
import { readGoldenRegistry, requestedOutputs } from './golden-registry.ts';
import { openGoldenStore } from './golden-store.ts';

/** The clock of the server: some recorded rows are older than their TTL, others are not. */
export const NOW = Date.parse('2026-06-04T12:00:00Z');

export interface GoldenRun {
  readonly clients: GoldenClients;
  /** Whether every setting that does as Feast does is on: the departures that have one do not happen then. */
  readonly asFeast: boolean;
  readonly computes?: boolean;
  /** Hears of every request before it is sent. */
  readonly onRequest: (golden: GoldenCase, expectation: Expectation) => void;
}

/** Sends every request that Feast answered over the protocol. @throws Error that lists the answers that differ */
export async function runGolden(
  variant: GoldenVariant,
  protocol: GoldenProtocol,
  { clients, asFeast, computes = false, onRequest }: GoldenRun,
): Promise<void> {
  const problems: string[] = [];
  for (const golden of goldenCases(variant, protocol, { asFeast, computes })) {
    const expectation = expectedAnswer(golden);
    if (expectation === undefined) continue;
    onRequest(golden, expectation);
    const actual = await ask(clients, golden, expectation);
    const lines = [...differences(expectation.answer, actual), ...orderProblems(golden, actual)];
    if (lines.length > 0) problems.push(describeProblem(golden, actual, lines));
  }
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

/** Decision 1: stores whose keys are cut to four bytes are not served at all. */
export function isRefused({ variant }: GoldenVariant): boolean {
  return /ekv[01]/.test(variant);
}

function goldenCases(
  variant: GoldenVariant,
  protocol: GoldenProtocol,
  modes: Pick<GoldenCase, 'asFeast' | 'computes'>,
): readonly GoldenCase[] {
  const registry = readGoldenRegistry(variant.scenario, variant.variant);
  const store = openGoldenStore(variant, registry.project);
  return readVectors(variant.scenario, variant.vectorsOf).map((vector) => ({
    variant,
    protocol,
    vector,
    registry,
    store,
    ...modes,
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
  const message = Buffer.from(grpc!.request_b64, 'base64');
  if (protocol === 'web') {
    const isEven = Number(/\d+$/.exec(vector.id)?.[0] ?? 0) % 2 === 0;
    return clients.web(isEven ? 'Connect' : 'gRPC-Web', message, asDigest);
  }
  const service = protocol === 'ServingService' ? 'feast.serving.ServingService' : protocol;
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
