import { FieldKind, type HpackField } from './hpack-field.ts';
import type { RequestHead } from './http2-engine.ts';

/** The head of a well-formed request. */
export class DecodedHead implements RequestHead {
  method = '';
  path = '';
  scheme = '';
  authority = '';
  fields: readonly HpackField[] = [];
  /** Bytes of the body as the client says; -1 = it does not. */
  contentLength = -1;

  header(name: string): string | undefined {
    let found: string | undefined;
    for (const field of this.fields) {
      if (field.name !== name) continue;
      if (found === undefined) found = field.value;
      // Cookies alone are put together with semicolons (RFC 9113 section 8.2.3).
      else found += (name === 'cookie' ? '; ' : ', ') + field.value;
    }
    return found;
  }
}

/**
 * Applies the rules of RFC 9113 section 8 to the fields of a request: pseudo-header fields first, each once, all that are
 * needed; no field that is about the connection; one content length; one host, for which `:authority` is taken where it is
 * said too (gRPC's A41).
 *
 * @returns undefined for a malformed request
 */
export function createRequestHead(fields: readonly HpackField[]): DecodedHead | undefined {
  const head = new DecodedHead();
  let seen = 0;
  let at = 0;
  for (; at < fields.length; at++) {
    const { kind, value } = fields[at]!;
    if (kind === FieldKind.METHOD) head.method = value;
    else if (kind === FieldKind.SCHEME) head.scheme = value;
    else if (kind === FieldKind.AUTHORITY) head.authority = value;
    else if (kind === FieldKind.PATH) head.path = value;
    else break;
    if ((seen & (1 << kind)) !== 0) return undefined;
    seen |= 1 << kind;
  }
  head.fields = fields.slice(at);
  return hasPseudoFields(head) && takeRegularFields(head) ? head : undefined;
}

/** Trailers have no pseudo-header fields and obey the same rules otherwise. */
export function areTrailers(fields: readonly HpackField[]): boolean {
  return fields.every(
    ({ kind }) =>
      kind === FieldKind.PLAIN || kind === FieldKind.HOST || kind === FieldKind.CONTENT_LENGTH,
  );
}

function hasPseudoFields({ method, path, scheme, authority }: DecodedHead): boolean {
  if (method === 'CONNECT') return path === '' && scheme === '' && authority !== '';
  // The asterisk stands for the server as a whole (RFC 9110 section 7.1).
  if (path === '*' && method !== 'OPTIONS') return false;
  return method !== '' && path !== '' && scheme !== '';
}

function takeRegularFields(head: DecodedHead): boolean {
  let hasHost = false;
  for (const { kind, value } of head.fields) {
    if (kind === FieldKind.PLAIN) continue;
    if (kind === FieldKind.HOST) {
      if (hasHost) return false;
      hasHost = true;
      if (head.authority === '') head.authority = value;
    } else if (kind === FieldKind.CONTENT_LENGTH) {
      const length = Number(value);
      if (head.contentLength >= 0 && head.contentLength !== length) return false;
      head.contentLength = length;
    } else {
      return false;
    }
  }
  return true;
}
