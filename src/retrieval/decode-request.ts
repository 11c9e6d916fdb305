import { Buffer } from 'node:buffer';
import { MAX_NESTING, skipLength, skipPayload, skipTag } from '../feast-encoding/wire.ts';
import { checkColumnCount, decodeColumn } from './decode-columns.ts';
import { decodeSelection, isOfSelection } from './decode-selection.ts';
import { readTag } from './read-wire.ts';
import { invalidRequest, messageTooLarge } from './retrieval-errors.ts';
import type {
  EntityColumn,
  RetrievalLimits,
  RetrievalRequest,
  Selection,
} from './retrieval-request.ts';
import { EncodedSelectionId, type SelectionId } from './selection-id.ts';

/** Tags of the two maps of a `GetOnlineFeaturesRequest`. */
const ENTITIES_TAG = 0x1a;
const REQUEST_CONTEXT_TAG = 0x2a;
/** Beginnings and ends of the pieces of a selection from which on unknown fields stay in them: each piece is read on its own. */
const MANY_PIECES = 1000;

/**
 * Decodes an encoded `feast.serving.GetOnlineFeaturesRequest` in one pass. The selection is not decoded but identified by
 * its bytes and the names of the columns, so that fields which nobody here knows make no other selection of it. Entity columns
 * come sorted by name, because a map has no order.
 *
 * @param message is kept by the request and must not change while it is in use.
 * @throws SideboardError INVALID_REQUEST, MESSAGE_TOO_LARGE, LIMIT_EXCEEDED for too many rows or columns
 */
export function decodeRequest(
  message: Uint8Array,
  limits: Pick<RetrievalLimits, 'maxRequestBytes' | 'maxRows'>,
): RetrievalRequest {
  if (message.length > limits.maxRequestBytes) {
    throw messageTooLarge('request', message.length, limits.maxRequestBytes, 'max_request_bytes');
  }
  const bytes = Buffer.isBuffer(message)
    ? message
    : Buffer.from(message.buffer, message.byteOffset, message.length);
  const columns: EntityColumn[] = [];
  const contextColumns: EntityColumn[] = [];
  const pieces: number[] = [];
  let selectionStart = 0;
  let at = 0;
  while (at < bytes.length) {
    const payload = skipTag(bytes, at, bytes.length);
    const tag = payload < 0 ? 0 : readTag(bytes, at);
    const after = payload < 0 ? -1 : skipPayload(bytes, payload, bytes.length, tag, MAX_NESTING);
    if (after < 0) {
      throw invalidRequest(`malformed feast.serving.GetOnlineFeaturesRequest at byte ${at}`);
    }
    if (tag === ENTITIES_TAG || tag === REQUEST_CONTEXT_TAG) {
      if (at > selectionStart) pieces.push(selectionStart, at);
      selectionStart = after;
      checkColumnCount(columns.length + contextColumns.length + 1);
      const entry = skipLength(bytes, payload, after);
      const column = decodeColumn(bytes, entry, after, limits.maxRows);
      (tag === ENTITIES_TAG ? columns : contextColumns).push(column);
    } else if (!isOfSelection(tag) && pieces.length < MANY_PIECES) {
      if (at > selectionStart) pieces.push(selectionStart, at);
      selectionStart = after;
    }
    at = after;
  }
  if (at > selectionStart) pieces.push(selectionStart, at);
  return new DecodedRequest(bytes, pieces, inMapOrder(columns), inMapOrder(contextColumns));
}

class DecodedRequest implements RetrievalRequest {
  readonly selectionId: SelectionId;
  readonly columns: readonly EntityColumn[];
  readonly contextColumns: readonly EntityColumn[];
  private readonly bytes: Buffer;

  constructor(
    bytes: Buffer,
    pieces: readonly number[],
    columns: readonly EntityColumn[],
    contextColumns: readonly EntityColumn[],
  ) {
    this.selectionId = new EncodedSelectionId(bytes, pieces, columns, contextColumns);
    this.columns = columns;
    this.contextColumns = contextColumns;
    this.bytes = bytes;
  }

  selection(): Selection {
    return decodeSelection(this.bytes, this.columns, this.contextColumns);
  }
}

/** Sorted by name; of several entries with one name the last one counts. */
function inMapOrder(columns: EntityColumn[]): readonly EntityColumn[] {
  if (columns.length < 2) return columns;
  columns.sort(byName);
  return columns.filter((column, index) => column.name !== columns[index + 1]?.name);
}

function byName(a: EntityColumn, b: EntityColumn): number {
  if (a.name === b.name) return 0;
  return a.name < b.name ? -1 : 1;
}
