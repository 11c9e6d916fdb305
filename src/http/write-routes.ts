import type { FeatureWriter } from '../ingestion/feature-writer.ts';
import { openJsonBody } from './json-body.ts';
import { frameFromJson } from './json-frame.ts';
import type { JsonRoute } from './json-route.ts';

const PUSH_MEMBERS = [
  'push_source_name',
  'df',
  'allow_registry_cache',
  'to',
  'transform_on_write',
] as const;
const WRITE_MEMBERS = [
  'feature_view_name',
  'df',
  'allow_registry_cache',
  'transform_on_write',
] as const;

/** `POST /push` of Feast's Python server: rows for every view of a push source. The answer has no body. */
export function pushRoute(writer: FeatureWriter): JsonRoute {
  return async (body, call) => {
    const json = openJsonBody(body, call.metadata('content-type'), PUSH_MEMBERS);
    const pushSourceName = json.requireText('push_source_name');
    const dfAt = json.requireObject('df');
    const allowRegistryCache = json.bool('allow_registry_cache', true);
    const to = json.getText('to', 'online');
    json.bool('transform_on_write', true);
    json.finish();
    const frame = frameFromJson(json.text, dfAt!);
    call.rowCount = frame.rowCount;
    call.featureCount = frame.columns.size;
    await writer.push(
      { pushSourceName, frame, to },
      {
        allowRegistryCache,
        deadlineAtMs: call.deadlineAtMs,
        signal: call.signal,
        call,
      },
    );
    return { status: 200, body: '' };
  };
}

/** `POST /write-to-online-store` of Feast's Python server, which its remote online store writes with. */
export function writeToOnlineStoreRoute(writer: FeatureWriter): JsonRoute {
  return async (body, call) => {
    const json = openJsonBody(body, call.metadata('content-type'), WRITE_MEMBERS);
    const viewName = json.requireText('feature_view_name');
    const dfAt = json.requireObject('df');
    const allowRegistryCache = json.bool('allow_registry_cache', true);
    const transformOnWrite = json.bool('transform_on_write', true);
    json.finish();
    const frame = frameFromJson(json.text, dfAt!);
    call.rowCount = frame.rowCount;
    call.featureCount = frame.columns.size;
    await writer.write(
      { viewName, frame, transformOnWrite },
      {
        allowRegistryCache,
        deadlineAtMs: call.deadlineAtMs,
        signal: call.signal,
        call,
      },
    );
    return { status: 200, body: 'null' };
  };
}
