/** What a JSON schema of the document needs to say. */
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly nullable?: boolean;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
}

/** One route in the document. */
export interface Operation {
  readonly path: string;
  readonly method: 'get' | 'post';
  readonly summary: string;
  readonly description: string;
  /** Of the JSON body; absent = it takes none. */
  readonly body?: Schema;
  /** A body that works, for people. */
  readonly example?: unknown;
  readonly query?: Readonly<Record<string, string>>;
  /** What answers mean, by status. */
  readonly answers: Readonly<Record<string, string>>;
}

const text: Schema = { type: 'string' };
const texts: Schema = { type: 'array', items: text };
const flag = (fallback: boolean): Schema => ({ type: 'boolean', default: fallback });
const columns: Schema = {
  type: 'object',
  description: 'Column name -> values, one per row.',
  additionalProperties: { type: 'array', items: {} },
};

const WRITE_ERRORS = {
  '400': 'The rows do not fit: view, columns and rows by name',
  '404': 'No such feature view',
  '422': 'The body is not of this form, or names a push source that is not there',
  '429': 'Too much is on its way to the store; try again',
  '503': 'The online store does not answer',
};
const RUN_ERRORS = {
  '400': 'An argument or a source is wrong',
  '404': 'No such feature view',
  '409': 'A view is being materialized already (with `async`)',
  '422': 'The body is not of this form',
  '501': 'Only Feast can materialize the view; the text names the command',
};
const RUN_QUERY = {
  async: 'Answer at once and run in the background',
  force: 'With `async`: take views over from a run that died',
};
const run: Readonly<Record<string, Schema>> = {
  feature_views: { ...texts, nullable: true, description: 'All that are online by default' },
  full_feature_names: flag(false),
  version: { ...text, nullable: true, description: 'Of the one view that is named, such as v2' },
};

/** The routes that are served, as Feast's Python server has them. */
export const OPERATIONS: readonly Operation[] = [
  {
    path: '/get-online-features',
    method: 'post',
    summary: 'Read features of entities',
    description: 'Columns of values, statuses and event timestamps; entity columns come first.',
    body: {
      type: 'object',
      required: ['entities'],
      properties: {
        entities: columns,
        feature_service: { ...text, nullable: true, description: 'Wins over `features`' },
        features: { ...texts, description: '`view:feature`', default: [] },
        full_feature_names: flag(false),
        include_feature_view_version_metadata: flag(false),
        request_context: { ...columns, nullable: true },
      },
    },
    example: { features: ['driver_stats:trips'], entities: { driver_id: [1001] } },
    answers: {
      '200': 'The features',
      '400': 'The request cannot be meant',
      '404': 'No such feature service, view or feature',
      '422': 'The body is not of this form',
      '503': 'The online store does not answer',
    },
  },
  {
    path: '/push',
    method: 'post',
    summary: 'Write rows of a push source to all its views',
    description: 'Every view that takes the rows is written, even where another does not.',
    body: {
      type: 'object',
      required: ['push_source_name', 'df'],
      properties: {
        push_source_name: text,
        df: columns,
        allow_registry_cache: flag(true),
        to: { ...text, default: 'online', description: '`online` alone' },
        transform_on_write: flag(true),
      },
    },
    example: {
      push_source_name: 'driver_stats_push',
      df: { driver_id: [1001], trips: [5], event_timestamp: ['2025-01-01T00:00:00Z'] },
    },
    answers: { '200': 'Written', ...WRITE_ERRORS },
  },
  {
    path: '/write-to-online-store',
    method: 'post',
    summary: 'Write rows of one feature view',
    description: "What Feast's remote online store writes with.",
    body: {
      type: 'object',
      required: ['feature_view_name', 'df'],
      properties: {
        feature_view_name: text,
        df: columns,
        allow_registry_cache: flag(true),
        transform_on_write: flag(true),
      },
    },
    example: {
      feature_view_name: 'driver_stats',
      df: { driver_id: [1001], trips: [5], event_timestamp: ['2025-01-01T00:00:00Z'] },
    },
    answers: { '200': 'Written', ...WRITE_ERRORS },
  },
  {
    path: '/materialize',
    method: 'post',
    summary: 'Load a window of event time from the sources',
    description: 'Both ends belong to it. Moments are ISO 8601.',
    body: {
      type: 'object',
      properties: {
        start_ts: { ...text, nullable: true },
        end_ts: { ...text, nullable: true },
        disable_event_timestamp: { ...flag(false), description: 'All data, without bounds' },
        ...run,
      },
    },
    query: RUN_QUERY,
    example: { start_ts: '2025-01-01T00:00:00', end_ts: '2025-01-31T00:00:00' },
    answers: { '200': 'Everything is in the store', '202': 'It has begun', ...RUN_ERRORS },
  },
  {
    path: '/materialize-incremental',
    method: 'post',
    summary: 'Load what came since the last run',
    description: 'Each view starts where its last run ended.',
    body: { type: 'object', required: ['end_ts'], properties: { end_ts: text, ...run } },
    query: RUN_QUERY,
    example: { end_ts: '2025-01-31T00:00:00' },
    answers: { '200': 'Everything is in the store', '202': 'It has begun', ...RUN_ERRORS },
  },
  {
    path: '/health',
    method: 'get',
    summary: 'Whether the server serves',
    description: 'No body.',
    answers: { '200': 'It does', '503': 'It does not, yet or any more' },
  },
];

/** The OpenAPI document of the JSON routes (https://spec.openapis.org/oas/v3.0.3). */
export function openApiDocument(version: string): unknown {
  return {
    openapi: '3.0.3',
    info: {
      title: 'sideboard',
      version,
      description: "Feast's JSON API. The same port speaks gRPC, Connect and gRPC-Web.",
    },
    paths: Object.fromEntries(
      OPERATIONS.map((operation) => [
        operation.path,
        { [operation.method]: operationObject(operation) },
      ]),
    ),
  };
}

function operationObject(operation: Operation): unknown {
  const { path, summary, description, body, example, query = {}, answers } = operation;
  return {
    operationId: path.slice(1).replaceAll('-', '_'),
    summary,
    description,
    parameters: Object.entries(query).map(([name, about]) => ({
      name,
      in: 'query',
      description: about,
      schema: flag(false),
    })),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: body, example } },
          },
        }),
    responses: Object.fromEntries(
      Object.entries(answers).map(([status, about]) => [status, { description: about }]),
    ),
  };
}
