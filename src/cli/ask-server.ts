import { setTimeout } from 'node:timers/promises';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import {
  GetOnlineFeaturesRequestSchema,
  ServingService,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { RepeatedValueSchema, type Value } from '../../gen/feast/types/Value_pb.ts';
import { SideboardError } from '../errors.ts';
import { doubleJson } from '../http/json-numbers.ts';
import { parseJson } from '../http/json-parser.ts';
import { answerOfJson, answerOfMessage, type FeatureAnswer } from './feature-answer.ts';

/** What to ask, of whom, and how. */
export interface ServerQuestion {
  /** `http://host:port` */
  readonly server: string;
  readonly protocol: 'grpc' | 'connect' | 'json';
  /** Wins over `features`. */
  readonly featureService: string | undefined;
  readonly features: readonly string[];
  /** One value per row, by join key. */
  readonly entities: ReadonlyMap<string, readonly Value[]>;
  readonly fullFeatureNames: boolean;
  /** `undefined` = wait for ever. */
  readonly deadlineMs: number | undefined;
}

/** A server that gave no features: another HTTP status, or nothing in time. */
export class ServerRefusal extends Error {
  override readonly name = 'ServerRefusal';
}

/**
 * Asks a running server for features.
 *
 * @throws ConnectError over gRPC and Connect
 * @throws ServerRefusal over JSON, where the answer is not 200 or does not come in time
 */
export async function askServer(question: ServerQuestion): Promise<FeatureAnswer> {
  if (question.protocol === 'json') return await askJson(question);
  if (question.protocol === 'connect') {
    const transport = createConnectTransport({ baseUrl: question.server, httpVersion: '1.1' });
    return await askRpc(question, transport);
  }
  const sessionManager = new Http2SessionManager(question.server);
  try {
    return await askRpc(
      question,
      createGrpcTransport({ baseUrl: question.server, sessionManager }),
    );
  } catch (error) {
    if (isBroken(error)) await untilClosed(sessionManager);
    throw error;
  } finally {
    // An open session would keep the process from ending.
    sessionManager.abort();
  }
}

/** A look every so many milliseconds, and how often. */
const LOOK_MS = 5;
const LOOKS = 20;

/** Whether what was answered is no HTTP/2. */
function isBroken(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'ERR_HTTP2_ERROR';
}

/**
 * A session that breaks says so some milliseconds after its streams have failed: as an error that ends the process, once the
 * manager does not listen any more.
 */
async function untilClosed(manager: Http2SessionManager): Promise<void> {
  const isOver = (): boolean => ['closed', 'error'].includes(manager.state());
  for (let i = 0; i < LOOKS && !isOver(); i += 1) await setTimeout(LOOK_MS);
}

async function askRpc(question: ServerQuestion, transport: Transport): Promise<FeatureAnswer> {
  const client = createClient(ServingService, transport);
  const entities = Object.fromEntries(
    [...question.entities].map(([name, val]) => [
      name,
      create(RepeatedValueSchema, { val: [...val] }),
    ]),
  );
  const kind: MessageInitShape<typeof GetOnlineFeaturesRequestSchema>['kind'] =
    question.featureService === undefined
      ? { case: 'features', value: { val: [...question.features] } }
      : { case: 'featureService', value: question.featureService };
  const response = await client.getOnlineFeatures(
    { kind, entities, fullFeatureNames: question.fullFeatureNames },
    question.deadlineMs === undefined ? {} : { timeoutMs: question.deadlineMs },
  );
  return answerOfMessage(response);
}

async function askJson(question: ServerQuestion): Promise<FeatureAnswer> {
  try {
    return await postJson(question);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'TimeoutError') throw error;
    throw new ServerRefusal(`no answer within ${question.deadlineMs} ms`, { cause: error });
  }
}

async function postJson(question: ServerQuestion): Promise<FeatureAnswer> {
  const { deadlineMs } = question;
  const response = await fetch(new URL('/get-online-features', question.server), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(deadlineMs === undefined ? {} : { 'connect-timeout-ms': String(deadlineMs) }),
    },
    body: jsonBody(question),
    ...(deadlineMs === undefined ? {} : { signal: AbortSignal.timeout(deadlineMs) }),
  });
  const text = await response.text();
  if (response.status !== 200) {
    throw new ServerRefusal(`HTTP ${response.status}: ${text}`);
  }
  return answerOfJson(parseJson(text));
}

function jsonBody(question: ServerQuestion): string {
  const columns = [...question.entities].map(
    ([name, values]) => `${JSON.stringify(name)}:[${values.map(entityJson).join(',')}]`,
  );
  const { featureService, features, fullFeatureNames } = question;
  const rest = JSON.stringify({
    ...(featureService === undefined ? { features } : { feature_service: featureService }),
    full_feature_names: fullFeatureNames,
  });
  return `{"entities":{${columns.join(',')}},${rest.slice(1)}`;
}

/** An entity value as JSON; the server converts it to the declared type of its join key. */
function entityJson({ val }: Value): string {
  switch (val.case) {
    case undefined:
      return 'null';
    case 'doubleVal':
    case 'floatVal':
      return doubleJson(val.value, 'string');
    case 'int32Val':
    case 'int64Val':
    case 'unixTimestampVal':
    case 'boolVal':
      return String(val.value);
    case 'stringVal':
      return JSON.stringify(val.value);
    default:
      throw new SideboardError(
        'INVALID_REQUEST',
        "Feast's JSON has no bytes; ask with --protocol grpc",
      );
  }
}
