import { checkColumnCount } from '../retrieval/decode-columns.ts';
import { requestFromColumns, type EncodedColumn } from '../retrieval/request-from-columns.ts';
import { limitExceeded, tooManyNestedValues } from '../retrieval/retrieval-errors.ts';
import type { RetrievalLimits, RetrievalRequest } from '../retrieval/retrieval-request.ts';
import { encodeJsonValue } from './encode-json-value.ts';
import { openJsonBody, type JsonBody } from './json-body.ts';
import type { JsonValue } from './json-parser.ts';

/** Values inside of lists and objects: each is encoded on its own, which takes a hundred times the memory of its text. */
const MAX_NESTED_VALUES = 2_000_000;

/** How much a request may hold. */
export type JsonRequestLimits = Pick<RetrievalLimits, 'maxRows' | 'maxCells'>;

/**
 * Reads the body of `POST /get-online-features` as Feast's server does: `entities` (an object of arrays),
 * `feature_service`, `features`, `full_feature_names`, `include_feature_view_version_metadata`; `request_context` as the
 * Go server has it; other members are ignored. An empty `feature_service` counts as none.
 *
 * @param contentType the header; a body that does not say it is JSON is refused, as by FastAPI
 * @throws BodyRejected with FastAPI's complaints
 * @throws SideboardError LIMIT_EXCEEDED for too many columns, rows or values, before they are encoded
 */
export function parseFeastRequest(
  body: Uint8Array,
  contentType: string | undefined,
  limits: JsonRequestLimits,
): RetrievalRequest {
  const json = openJsonBody(body, contentType);
  const columns = readColumns(json, 'entities', limits);
  const featureService = json.optionalText('feature_service');
  const features = json.texts('features', false) ?? [];
  const fullFeatureNames = json.bool('full_feature_names', false);
  const includeVersionMetadata = json.bool('include_feature_view_version_metadata', false);
  const context = json.members.get('request_context') ?? null;
  const contextColumns = context === null ? [] : readColumns(json, 'request_context', limits);
  json.finish();
  return requestFromColumns(
    {
      featureService: featureService === '' ? undefined : featureService,
      features,
      fullFeatureNames,
      includeVersionMetadata,
    },
    columns,
    contextColumns,
  );
}

/** An object of arrays, one array per column. */
function readColumns(json: JsonBody, name: string, limits: JsonRequestLimits): EncodedColumn[] {
  const { maxRows, maxCells } = limits;
  const columns: EncodedColumn[] = [];
  const given = json.requireObject(name);
  checkColumnCount(given.size);
  let valueCount = 0;
  let nestedCount = 0;
  for (const [column, rows] of given) {
    if (Array.isArray(rows)) {
      valueCount += rows.length;
      if (rows.length > maxRows) throw limitExceeded('rows', rows.length, maxRows, 'max_rows');
      if (valueCount > maxCells) {
        throw limitExceeded(`values in ${name}`, valueCount, maxCells, 'max_cells');
      }
      for (const row of rows as readonly JsonValue[]) nestedCount += countNested(row);
      if (nestedCount > MAX_NESTED_VALUES) throw tooManyNestedValues(MAX_NESTED_VALUES);
      columns.push({ name: column, values: (rows as readonly JsonValue[]).map(encodeJsonValue) });
    } else {
      json.complain('list_type', [name, column], 'Input should be a valid list', rows);
    }
  }
  return columns;
}

function countNested(value: JsonValue): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (!Array.isArray(value) && !(value instanceof Map)) return 0;
  const items = value.values() as Iterable<JsonValue>;
  let count = 0;
  for (const item of items) count += 1 + countNested(item);
  return count;
}
