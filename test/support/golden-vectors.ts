import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { answerFromHttp, answerFromMessage, type GoldenAnswer } from './golden-answer.ts';
import { sharedPath } from './shared.ts';

/** A recorded request with the answers of Feast's SDK and servers; see the README of the golden vectors. */
export interface GoldenVector {
  readonly id: string;
  readonly note: string | null;
  readonly request: GoldenRequest;
  readonly sdk?: RecordedSdk;
  readonly http?: RecordedHttp;
  readonly grpc?: RecordedGrpc;
}

export interface GoldenRequest {
  readonly features?: readonly string[] | null;
  readonly feature_service?: string | null;
  readonly full_feature_names?: boolean;
  readonly include_feature_view_version_metadata?: boolean;
  /** Parsed as JavaScript numbers: good for names and lengths, not for exact integers. */
  readonly entities?: Readonly<Record<string, readonly unknown[]>>;
  readonly http?: {
    readonly method: string;
    readonly path: string;
    readonly body?: string | null;
    readonly body_b64?: string;
    readonly headers?: Readonly<Record<string, string>>;
  };
  readonly grpc?: { readonly method: string; readonly request_b64: string };
}

interface RecordedSdk {
  readonly ok: boolean;
  readonly response_b64?: string;
  readonly response_sha256?: string;
  readonly error_class?: string;
  readonly error_message?: string;
}

interface RecordedHttp {
  readonly status: number;
  readonly content_type: string | null;
  readonly allow?: string;
  readonly body?: string | null;
  readonly body_sha256?: string;
}

interface RecordedGrpc {
  readonly code?: string;
  readonly details?: string;
  readonly response_b64?: string;
  readonly response_same_bytes_as_sdk?: boolean;
  readonly not_expressible?: string;
}

/** One feature repository applied to one store. */
export interface GoldenVariant {
  readonly scenario: string;
  /** Such as `redis` or `sqlite_ekv2`. */
  readonly variant: string;
  readonly store: 'redis' | 'sqlite';
  /** Of the file of its vectors; `realdata/redis_ekv2` has none and takes those of `redis`. */
  readonly vectorsOf: string;
}

const SCENARIOS = sharedPath('golden', 'scenarios');

/** Path of a file of a scenario. */
export function scenarioFile(scenario: string, name: string): string {
  return sharedPath('golden', 'scenarios', scenario, name);
}

/** Every scenario on every store that reads were recorded for, in order of name. */
export function goldenVariants(): readonly GoldenVariant[] {
  return readdirSync(SCENARIOS)
    .toSorted()
    .flatMap((scenario) => {
      const files = readdirSync(`${SCENARIOS}/${scenario}`);
      const hasVectors = (variant: string): boolean => files.includes(`responses.${variant}.jsonl`);
      if (!files.some((file) => file.startsWith('responses.'))) return [];
      return files
        .flatMap((file) => /^feature_store\.(.+)\.yaml$/.exec(file)?.[1] ?? [])
        .toSorted()
        .map((variant): GoldenVariant => {
          const store = variant.startsWith('sqlite') ? 'sqlite' : 'redis';
          return { scenario, variant, store, vectorsOf: hasVectors(variant) ? variant : store };
        });
    });
}

/** The vectors of a file, in its order. */
export function readVectors(scenario: string, variant: string): readonly GoldenVector[] {
  const path = scenarioFile(scenario, `responses.${variant}.jsonl`);
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as GoldenVector);
}

/** What the SDK answered, or `undefined` where it was not asked. */
export function sdkAnswer({ sdk }: GoldenVector): GoldenAnswer | undefined {
  if (sdk === undefined) return undefined;
  if (!sdk.ok) {
    const text = sdk.error_message ?? '';
    return { kind: 'refused', status: sdk.error_class ?? '', shape: '', text };
  }
  if (sdk.response_sha256 !== undefined) return { kind: 'digest', sha256: sdk.response_sha256 };
  return answerFromMessage(Buffer.from(sdk.response_b64 ?? '', 'base64'));
}

/** What Feast's Python gRPC server answered, or `undefined` where it was not asked. */
export function grpcAnswer(vector: GoldenVector): GoldenAnswer | undefined {
  const { grpc } = vector;
  if (grpc?.code === undefined) return undefined;
  if (grpc.code !== 'OK') {
    return { kind: 'refused', status: grpc.code, shape: '', text: grpc.details ?? '' };
  }
  if (grpc.response_same_bytes_as_sdk === true) return sdkAnswer(vector);
  return answerFromMessage(Buffer.from(grpc.response_b64 ?? '', 'base64'));
}

/** What Feast's Python HTTP server answered, or `undefined` where it was not asked. */
export function httpAnswer({ http }: GoldenVector): GoldenAnswer | undefined {
  if (http === undefined) return undefined;
  if (http.body_sha256 !== undefined) return { kind: 'digest', sha256: http.body_sha256 };
  return answerFromHttp({
    status: http.status,
    contentType: http.content_type,
    allow: http.allow ?? null,
    body: http.body ?? '',
  });
}

/** The digest that stands in a vector for an answer that is too large. */
export function digestAnswer(bytes: string | Uint8Array): GoldenAnswer {
  return { kind: 'digest', sha256: createHash('sha256').update(bytes).digest('hex') };
}
