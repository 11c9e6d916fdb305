import { isSameAnswer, type GoldenAnswer } from '../support/golden-answer.ts';
import { sdkAnswer } from '../support/golden-vectors.ts';
import { ENTITY_DEPARTURES } from './entity-departures.ts';
import { FEATURE_DEPARTURES } from './feature-departures.ts';
import { feastAnswer, type Departure, type GoldenCase } from './golden-case.ts';
import { lossyValue } from './golden-entities.ts';
import { GRPC_DEPARTURES } from './grpc-departures.ts';
import { ON_DEMAND_DEPARTURES } from './on-demand-departures.ts';
import { notServedAnswer, partNotServed, type NotServed } from './not-served.ts';
import { storedAnswer } from './stored-answer.ts';
import { REFUSAL_DEPARTURES } from './refusal-departures.ts';

/** Every departure from Feast, in the order in which they are applied to Feast's answers. */
export const DEPARTURES: readonly Departure[] = [
  ...GRPC_DEPARTURES,
  ...ENTITY_DEPARTURES,
  ...FEATURE_DEPARTURES,
  ...REFUSAL_DEPARTURES,
];

/** What a request has to be answered with. */
export interface Expectation {
  readonly answer: GoldenAnswer;
  /** Those that made a difference; none = exactly Feast's answer. */
  readonly departures: readonly Departure[];
  /** What the request needs that is not served; its answer then says so. */
  readonly notServed?: NotServed;
}

/** Derives the expected answer from Feast's; `undefined` where Feast was not asked over this protocol. */
export function expectedAnswer(golden: GoldenCase): Expectation | undefined {
  const recorded = recordedAnswer(golden);
  if (recorded === undefined) return undefined;
  const notServed = partNotServed(golden);
  if (notServed !== undefined) {
    return { answer: notServedAnswer(notServed, golden.protocol), departures: [], notServed };
  }
  // The order of features inside a view is arbitrary in Feast: a digest of several cannot be met.
  const isShuffled = recorded.kind === 'digest' && (golden.outputs?.length ?? 0) > 1;
  let answer: GoldenAnswer = isShuffled ? storedAnswer({ ...golden, asFeast: true }) : recorded;
  const departures: Departure[] = [];
  for (const departure of golden.computes ? [...ON_DEMAND_DEPARTURES, ...DEPARTURES] : DEPARTURES) {
    if (golden.asFeast && departure.offWith !== undefined) continue;
    const changed = departure.apply(answer, golden);
    if (changed === undefined) continue;
    if (!isSameAnswer(answer, changed)) departures.push(departure);
    answer = changed;
  }
  return { answer, departures };
}

function recordedAnswer(golden: GoldenCase): GoldenAnswer | undefined {
  const { vector, protocol, asFeast } = golden;
  // Feast's gRPC server converts nothing; the setting is to convert as its SDK and its HTTP server do.
  if (asFeast && protocol !== 'JSON' && lossyValue(golden) !== undefined) return sdkAnswer(vector);
  return feastAnswer(vector, protocol);
}
