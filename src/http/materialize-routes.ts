import type {
  MaterializationJobs,
  MaterializationRequest,
} from '../ingestion/materialization-jobs.ts';
import { invalidMaterialization } from '../ingestion/ingestion-error.ts';
import { formatMoment, parseMoment } from '../ingestion/materialization-window.ts';
import type { MaterializationScope } from '../ingestion/materialize.ts';
import { openJsonBody, queryFlag, type JsonBody } from './json-body.ts';
import type { JsonAnswer } from './feast-error.ts';
import type { JsonRoute, RouteCall } from './json-route.ts';

const REST_MEMBERS = ['full_feature_names', 'version'] as const;
const INCREMENTAL_MEMBERS = ['end_ts', 'feature_views', ...REST_MEMBERS] as const;
const MEMBERS = ['start_ts', 'disable_event_timestamp', ...INCREMENTAL_MEMBERS] as const;

/** `POST /materialize` of Feast's Python server: a window of event time. */
export function materializeRoute(jobs: MaterializationJobs): JsonRoute {
  return (body, call) => {
    const json = openJsonBody(body, call.metadata('content-type'), MEMBERS);
    const start = json.optionalText('start_ts');
    const end = json.optionalText('end_ts');
    const viewNames = json.texts('feature_views', true);
    const everything = json.bool('disable_event_timestamp', false);
    const version = readRest(json);
    const scope = everything ? allTime() : windowScope(start, end);
    return carryOut(jobs, { scope, viewNames, version, call }, call);
  };
}

/** `POST /materialize-incremental` of Feast's Python server: what came since each view's last run. */
export function materializeIncrementalRoute(jobs: MaterializationJobs): JsonRoute {
  return (body, call) => {
    const json = openJsonBody(body, call.metadata('content-type'), INCREMENTAL_MEMBERS);
    const end = json.requireText('end_ts');
    const viewNames = json.texts('feature_views', true);
    const version = readRest(json);
    const endNs = parseMoment(end, 'end_ts');
    return carryOut(
      jobs,
      {
        scope: { kind: 'incremental', endNs, nowNs: nowNs() },
        viewNames,
        version,
        call,
      },
      call,
    );
  };
}

/** What both bodies end with. @throws BodyRejected */
function readRest(json: JsonBody<(typeof REST_MEMBERS)[number]>): string | undefined {
  // Names of features in the store are always their short ones.
  json.bool('full_feature_names', false);
  const version = json.optionalText('version');
  json.finish();
  return version;
}

async function carryOut(
  jobs: MaterializationJobs,
  request: MaterializationRequest,
  { query }: RouteCall,
): Promise<JsonAnswer> {
  const isAsync = queryFlag(query, 'async');
  const force = queryFlag(query, 'force');
  if (!isAsync) {
    await jobs.run(request);
    return { status: 200, body: 'null' };
  }
  const { kind, viewNames } = await jobs.start(request, force);
  if (kind === 'accepted') {
    return { status: 202, body: JSON.stringify({ status: 'accepted', feature_views: viewNames }) };
  }
  const error = `Cannot start async materialization: ${viewNames.join(', ')} ${viewNames.length > 1 ? 'are' : 'is'} being materialized already. Use ?force=true to override.`;
  return { status: 409, body: JSON.stringify({ error, feature_views: viewNames }) };
}

function allTime(): MaterializationScope {
  return { kind: 'window', window: { startNs: 0n, endNs: nowNs() } };
}

/** @throws SideboardError INVALID_REQUEST */
function windowScope(start: string | undefined, end: string | undefined): MaterializationScope {
  if (start === undefined || end === undefined) {
    throw invalidMaterialization(
      'start_ts and end_ts are required when disable_event_timestamp is false',
    );
  }
  const startNs = parseMoment(start, 'start_ts');
  const endNs = parseMoment(end, 'end_ts');
  if (startNs >= endNs) {
    throw invalidMaterialization(
      `start_ts (${formatMoment(startNs)}) has to be before end_ts (${formatMoment(endNs)})`,
    );
  }
  return { kind: 'window', window: { startNs, endNs } };
}

function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
