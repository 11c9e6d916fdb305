import { isSideboardError, OverloadedError, type ErrorCode } from '../errors.ts';

/** How an error looks over Feast's HTTP API. */
interface FeastHttpError {
  readonly status: number;
  /** Class of the module `feast.errors` that Feast's clients raise; absent = none fits, the body is the text alone. */
  readonly feastClass?: string;
}

/**
 * Every code of ours over HTTP. Feast answers 500 to most mistakes of a caller; its own client then tries again three
 * times and loses the text, so what another attempt cannot mend is a 4xx here.
 */
const HTTP_BY_ERROR: Readonly<Record<ErrorCode, FeastHttpError>> = {
  FEATURE_SERVICE_NOT_FOUND: { status: 404, feastClass: 'FeatureServiceNotFoundException' },
  FEATURE_VIEW_NOT_FOUND: { status: 404, feastClass: 'FeatureViewNotFoundException' },
  FEATURE_VIEW_VERSION_NOT_FOUND: { status: 404, feastClass: 'FeatureViewVersionNotFound' },
  FEATURE_NOT_FOUND: { status: 404, feastClass: 'FeastObjectNotFoundException' },
  PUSH_SOURCE_NOT_FOUND: { status: 422, feastClass: 'PushSourceNotFoundException' },
  INVALID_FEATURE_REFERENCE: { status: 400 },
  NO_FEATURES_REQUESTED: { status: 400 },
  FEATURE_NAME_COLLISION: { status: 400, feastClass: 'FeatureNameCollisionError' },
  VERSIONED_READ_UNSUPPORTED: { status: 400, feastClass: 'VersionedOnlineReadNotSupported' },
  FEATURE_VIEW_DISABLED: { status: 400 },
  FEATURE_VIEW_NOT_SERVABLE: { status: 400 },
  MISSING_JOIN_KEY: { status: 400 },
  AMBIGUOUS_JOIN_KEY: { status: 400 },
  ENTITY_ROW_LENGTH_MISMATCH: { status: 400 },
  UNSUPPORTED_JOIN_KEY_TYPE: { status: 400 },
  INVALID_ENTITY_VALUE: { status: 400 },
  REQUEST_DATA_NOT_FOUND: {
    status: 404,
    feastClass: 'RequestDataNotFoundInEntityRowsException',
  },
  INVALID_REQUEST: { status: 400 },
  LIMIT_EXCEEDED: { status: 400 },
  MESSAGE_TOO_LARGE: { status: 413 },
  ON_DEMAND_FEATURE_VIEW_UNSUPPORTED: { status: 501 },
  UNSUPPORTED_OPERATION: { status: 501 },
  OFFLINE_WRITE_UNSUPPORTED: { status: 422 },
  UNAUTHENTICATED: { status: 401 },
  PERMISSION_DENIED: { status: 403, feastClass: 'FeastPermissionError' },
  AUTHENTICATION_UNAVAILABLE: { status: 503 },
  REGISTRY_UNAVAILABLE: { status: 503 },
  TRANSFORMATION_FAILED: { status: 500 },
  TRANSFORMATION_UNAVAILABLE: { status: 503 },
  ONLINE_STORE_UNAVAILABLE: { status: 503 },
  OVERLOADED: { status: 429 },
  DEADLINE_EXCEEDED: { status: 504 },
  CANCELLED: { status: 499 },
  CORRUPT_STORED_VALUE: { status: 500 },
  INVALID_CONFIGURATION: { status: 500 },
  INVALID_DEFINITION: { status: 400 },
  INVALID_SOURCE_DATA: { status: 400 },
};

/** An answer with a body of JSON as text, or as its bytes. */
export interface RouteAnswer extends Omit<JsonAnswer, 'body'> {
  readonly body: string | Buffer;
}

/** An answer with a body of JSON, ready to be sent. */
export interface JsonAnswer {
  readonly status: number;
  /** '' = no body. */
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * The answer to whatever was thrown. Feast's shape: a JSON string, whose text is again JSON naming a class of
 * `feast.errors` where one fits, so that Feast's client raises that class. What is not an error of ours stays inside.
 */
export function feastErrorAnswer(error: unknown): JsonAnswer {
  if (!isSideboardError(error)) return { status: 500, body: '"internal error"' };
  if (error.code === 'UNAUTHENTICATED') return unauthenticatedAnswer(error.message);
  const { status, feastClass } = HTTP_BY_ERROR[error.code];
  const text =
    feastClass === undefined
      ? error.message
      : JSON.stringify({ module: 'feast.errors', class: feastClass, message: error.message });
  const answer = { status, body: JSON.stringify(text) };
  if (status !== 429 && status !== 503) return answer;
  const retryAfterMs = error instanceof OverloadedError ? error.retryAfterMs : 1000;
  return { ...answer, headers: { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) } };
}

/** What Feast's server says, and beside it why (RFC 6750 section 3). */
function unauthenticatedAnswer(reason: string): JsonAnswer {
  const description = reason.replaceAll(/["\\]/g, "'");
  return detailAnswer(401, 'Invalid or expired access token', {
    'www-authenticate': `Bearer error="invalid_token", error_description="${description}"`,
  });
}

/** One complaint about a request body, in the words and the shape of FastAPI, which Feast's server is built with. */
export interface BodyIssue {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  /** What was found there, as JSON text. */
  readonly input: string;
  readonly ctx?: Readonly<Record<string, string>>;
}

/** A request body that is not what the route takes; raised before anything of Feast is looked at. */
export class BodyRejected extends Error {
  override readonly name = 'BodyRejected';
  readonly answer: JsonAnswer;

  constructor(answer: JsonAnswer) {
    super(`the request body was rejected with ${answer.status}`);
    this.answer = answer;
  }
}

/** 422 and the complaints, as FastAPI answers. */
export function rejectIssues(issues: readonly BodyIssue[]): BodyRejected {
  const details = issues.map(({ type, loc, msg, input, ctx }) => {
    const rest = ctx === undefined ? '' : `,"ctx":${JSON.stringify(ctx)}`;
    const head = JSON.stringify({ type, loc, msg }).slice(0, -1);
    return `${head},"input":${input}${rest}}`;
  });
  return new BodyRejected({ status: 422, body: `{"detail":[${details.join(',')}]}` });
}

/** FastAPI's shape for what is wrong with the request as a whole. */
export function detailAnswer(
  status: number,
  detail: string,
  headers?: Readonly<Record<string, string>>,
): JsonAnswer {
  const answer = { status, body: JSON.stringify({ detail }) };
  return headers === undefined ? answer : { ...answer, headers };
}
