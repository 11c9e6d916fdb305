import type { Buffer } from 'node:buffer';
import { checkColumnCount, MAX_COLUMNS } from '../retrieval/decode-columns.ts';
import { requestFromColumns } from '../retrieval/request-from-columns.ts';
import { limitExceeded, tooManyNestedValues } from '../retrieval/retrieval-errors.ts';
import type {
  EntityColumn,
  RetrievalLimits,
  RetrievalRequest,
} from '../retrieval/retrieval-request.ts';
import { encodeColumn, measureColumn } from './encode-json-value.ts';
import { openJsonBody, type JsonBody } from './json-body.ts';
import { membersOf } from './json-walk.ts';

/** Values inside of lists and objects. */
const MAX_NESTED_VALUES = 2_000_000;

const OPEN_ARRAY = 0x5b;

const MEMBERS = [
  'entities',
  'feature_service',
  'features',
  'full_feature_names',
  'include_feature_view_version_metadata',
  'request_context',
] as const;

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
  body: Buffer,
  contentType: string | undefined,
  limits: JsonRequestLimits,
): RetrievalRequest {
  const json = openJsonBody(body, contentType, MEMBERS);
  const entitiesAt = json.requireObject('entities');
  const columns = entitiesAt === undefined ? [] : readColumns(json, 'entities', entitiesAt, limits);
  const featureService = json.optionalText('feature_service');
  const features = json.texts('features', false) ?? [];
  const fullFeatureNames = json.bool('full_feature_names', false);
  const includeVersionMetadata = json.bool('include_feature_view_version_metadata', false);
  const contextAt =
    json.find('request_context') === undefined ? undefined : json.requireObject('request_context');
  const contextColumns =
    contextAt === undefined ? [] : readColumns(json, 'request_context', contextAt, limits);
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

/** An object of arrays, one array per column. @param at of its bracket */
function readColumns(
  json: Pick<JsonBody<string>, 'text' | 'complain'>,
  name: string,
  at: number,
  { maxRows, maxCells }: JsonRequestLimits,
): EntityColumn[] {
  const { text } = json;
  const columns: EntityColumn[] = [];
  const given = membersOf(text, at, MAX_COLUMNS);
  checkColumnCount(given.size);
  let valueCount = 0;
  let nestedCount = 0;
  for (const [column, rowsAt] of given) {
    if (text[rowsAt] !== OPEN_ARRAY) {
      json.complain('list_type', [name, column], 'Input should be a valid list', rowsAt);
      continue;
    }
    const measured = measureColumn(text, rowsAt);
    const { rowCount } = measured;
    valueCount += rowCount;
    if (rowCount > maxRows) throw limitExceeded('rows', rowCount, maxRows, 'max_rows');
    if (valueCount > maxCells) {
      throw limitExceeded(`values in ${name}`, valueCount, maxCells, 'max_cells');
    }
    nestedCount += measured.nestedCount;
    if (nestedCount > MAX_NESTED_VALUES) throw tooManyNestedValues(MAX_NESTED_VALUES);
    columns.push(encodeColumn(column, text, measured));
  }
  return columns;
}
