/** Calls a feature server by grpc-js, as interop_call.proto says. Argument: host:port. */
import { Buffer } from 'node:buffer';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fromBinary, fromJson, toBinary, toJson, type JsonValue } from '@bufbuild/protobuf';
import { Client, compressionAlgorithms, credentials, Metadata, status } from '@grpc/grpc-js';
import {
  GetOnlineFeaturesRequestSchema,
  GetOnlineFeaturesResponseSchema,
} from '../../../../gen/feast/serving/ServingService_pb.ts';
import type { Call, Outcome } from '../../interop-client.ts';

const METHOD = '/feast.serving.ServingService/GetOnlineFeatures';
const DEFAULT_TIMEOUT_MS = 20_000;
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** How one call ended. */
interface Answer {
  readonly code: string;
  readonly message: string;
  readonly response: Buffer | undefined;
  readonly trailers: Metadata | undefined;
}

const target = process.argv[2]!;
const options = { 'grpc.max_receive_message_length': MAX_RESPONSE_BYTES };
const plain = new Client(target, credentials.createInsecure(), options);
// It compresses by channel, and channels with equal options share their connections; this one does not.
const gzip = new Client(target, credentials.createInsecure(), {
  ...options,
  'grpc.default_compression_algorithm': compressionAlgorithms.gzip,
});

const asIs = (bytes: Buffer): Buffer => bytes;

function send(call: Call): Promise<Answer> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(call.metadata ?? {})) metadata.set(name, value);
  for (const [name, value] of Object.entries(call.binaryMetadata ?? {})) {
    metadata.set(name, Buffer.from(value, 'base64'));
  }
  const request = toBinary(
    GetOnlineFeaturesRequestSchema,
    fromJson(GetOnlineFeaturesRequestSchema, call.request as JsonValue),
  );
  const deadline = Date.now() + (call.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  return new Promise((resolve) => {
    let ended: Pick<Answer, 'code' | 'message' | 'response'>;
    const started = (call.gzip === true ? gzip : plain).makeUnaryRequest(
      METHOD,
      asIs,
      asIs,
      Buffer.from(request),
      metadata,
      { deadline },
      (error, response) => {
        const code = status[error?.code ?? status.OK];
        ended = { code, message: error?.details ?? '', response };
      },
    );
    started.on('status', ({ metadata: trailers }) => resolve({ ...ended, trailers }));
    if (call.cancelAfterMs !== undefined) setTimeout(() => started.cancel(), call.cancelAfterMs);
  });
}

async function run(call: Call): Promise<Outcome> {
  await delay(call.waitMs ?? 0);
  const endsAtMs = performance.now() + (call.repeatMs ?? 0);
  const answers: Answer[] = [];
  do {
    const calls = Array.from({ length: call.parallel ?? 1 }, () => send(call));
    answers.push(...(await Promise.all(calls)));
  } while (performance.now() < endsAtMs);
  const first = answers[0]!;
  const failed = answers.filter(({ code }) => code !== 'OK');
  const different = answers.filter(
    ({ code, response }) => code === 'OK' && first.response?.equals(response!) !== true,
  );
  const { code, message, response, trailers } = failed[0] ?? first;
  return {
    code,
    message,
    ...contentOf(response),
    ...trailersOf(trailers),
    callCount: answers.length,
    failedCount: failed.length,
    differentCount: different.length,
  };
}

function contentOf(response: Buffer | undefined): Pick<Outcome, 'response'> {
  if (response === undefined) return {};
  const message = fromBinary(GetOnlineFeaturesResponseSchema, response);
  return {
    response: toJson(GetOnlineFeaturesResponseSchema, message) as NonNullable<Outcome['response']>,
  };
}

function trailersOf(metadata = new Metadata()): Pick<Outcome, 'trailers' | 'binaryTrailers'> {
  const trailers: Record<string, string> = {};
  const binaryTrailers: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata.getMap())) {
    if (typeof value === 'string') trailers[name] = value;
    else binaryTrailers[name] = value.toString('base64');
  }
  return { trailers, binaryTrailers };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as Call))}\n`);
}
plain.close();
gzip.close();
