import type {
  FeaturesAnswer,
  GoldenAnswer,
  GoldenCell,
  GoldenColumn,
} from '../support/golden-answer.ts';
import {
  grpcAnswer,
  httpAnswer,
  type GoldenVariant,
  type GoldenVector,
} from '../support/golden-vectors.ts';
import type { Asked, EntityColumns } from './golden-question.ts';
import type { GoldenRegistry, RequestedOutput } from './golden-registry.ts';
import type { GoldenStore } from './golden-store.ts';

/**
 * How a request is sent: Feast's JSON over HTTP/1.1, one of the two gRPC services, or `ServingService` over Connect and
 * gRPC-Web by turns.
 */
export const GOLDEN_PROTOCOLS = ['JSON', 'GrpcFeatureServer', 'ServingService', 'web'] as const;
export type GoldenProtocol = (typeof GOLDEN_PROTOCOLS)[number];

/** One request over one protocol to one variant, with what its expected answer is derived from. */
export interface GoldenCase {
  readonly variant: GoldenVariant;
  readonly protocol: GoldenProtocol;
  readonly vector: GoldenVector;
  readonly registry: GoldenRegistry;
  readonly store: GoldenStore;
  readonly asked: Asked;
  /** `undefined` where the request names no known service. */
  readonly outputs: readonly RequestedOutput[] | undefined;
  /** `undefined` where the request has none that could be read. */
  readonly sent: EntityColumns | undefined;
  /** Whether the settings that do as Feast does are on. */
  readonly asFeast: boolean;
  /** Whether there is a transformation server that runs on-demand views of mode pandas. */
  readonly computes: boolean;
  /** The server's clock. */
  readonly nowSeconds: number;
}

/** A place where the project departs from Feast on purpose. */
export interface Departure {
  /** Of the decision in section 12 of the contract (`12.5`), or the row of its section 14 that it answers. */
  readonly number: string;
  /** What it is about, for the reader of the table; unique. */
  readonly point: string;
  readonly feast: string;
  readonly ours: string;
  readonly why: string;
  /** The setting under which it does not happen; absent = it always does. */
  readonly offWith?: string;
  /**
   * The answer that the departure makes of `answer`, which is Feast's as far as other departures have not changed it;
   * `undefined` where it does not concern the case.
   */
  readonly apply: (answer: GoldenAnswer, golden: GoldenCase) => GoldenAnswer | undefined;
}

/** What Feast answered over the protocol; its two gRPC services have one recording. `undefined` = never asked. */
export function feastAnswer(
  vector: GoldenVector,
  protocol: GoldenProtocol,
): GoldenAnswer | undefined {
  return protocol === 'JSON' ? httpAnswer(vector) : grpcAnswer(vector);
}

export interface ExpectedError {
  /** Name of the gRPC code. */
  readonly grpc: string;
  /** HTTP status. */
  readonly http: number;
  /** Class of `feast.errors` in the JSON body; absent = the body is text. */
  readonly feastClass?: string;
  /** What our message has to say, whatever the protocol. */
  readonly says: RegExp;
}

/** An error of ours, in the form of the protocol. */
export function refusal(
  protocol: GoldenProtocol,
  { grpc, http, feastClass, says }: ExpectedError,
): GoldenAnswer {
  const refused = { kind: 'refused', text: '', says } as const;
  if (protocol !== 'JSON') return { ...refused, status: grpc, shape: '' };
  const shape = feastClass === undefined ? 'text' : `feast.errors.${feastClass}`;
  return { ...refused, status: String(http), shape };
}

/** Codes of a caller's mistake. */
export const INVALID = { grpc: 'INVALID_ARGUMENT', http: 400 } as const;

export const FEATURE_NOT_FOUND = {
  grpc: 'NOT_FOUND',
  http: 404,
  feastClass: 'FeastObjectNotFoundException',
} as const;

/** `answer` with each cell of each column of stored features replaced; what was computed is as it is. */
export function mapFeatureCells(
  answer: FeaturesAnswer,
  golden: GoldenCase,
  replace: (
    cell: GoldenCell,
    at: { readonly output: RequestedOutput; readonly row: number },
  ) => GoldenCell,
): FeaturesAnswer {
  const stored = golden.outputs?.filter(
    ({ viewName }) => !golden.registry.onDemandViews.has(viewName),
  );
  const outputs = new Map(stored?.map((output) => [output.name, output]));
  const columns = answer.columns.map((column): GoldenColumn => {
    const output = outputs.get(column.name);
    if (output === undefined) return column;
    return { ...column, cells: column.cells.map((cell, row) => replace(cell, { output, row })) };
  });
  return { ...answer, columns };
}
