import { Buffer } from 'node:buffer';
import { RedisError, errorReplyText } from './redis-error.ts';
import { protocolError, Resp, type ReplyReader } from './reply-reader.ts';

/**
 * A reply in JavaScript's terms, the same from RESP2 and RESP3: strings are bytes (copies of their own), statuses text, maps
 * flat arrays of keys and values, errors inside aggregates `RedisError`s.
 */
export type RedisReply =
  | Buffer
  | string
  | number
  | bigint
  | boolean
  | null
  | RedisError
  | readonly RedisReply[];

/** Decodes the whole reply that `reader.skip()` has just found. For what is not hot. */
export function decodeReply(reader: ReplyReader): RedisReply {
  const decoder: Decoder = { bytes: reader.bytes, at: reader.start };
  const reply = decodeElement(decoder);
  if (decoder.at !== reader.at) {
    throw protocolError('a reply that ends elsewhere than it says');
  }
  return reply;
}

/** The text of the current reply if it is an error, else `undefined`. */
export function errorText(reader: ReplyReader): string | undefined {
  const type = reader.bytes[reader.start];
  if (type !== Resp.ERROR && type !== Resp.BULK_ERROR) {
    return undefined;
  }
  const error = decodeReply(reader);
  return error instanceof RedisError ? error.message : undefined;
}

interface Decoder {
  readonly bytes: Buffer;
  at: number;
}

function decodeElement(decoder: Decoder): RedisReply {
  const type = decoder.bytes[decoder.at];
  const line = takeLine(decoder);
  switch (type) {
    case Resp.STATUS:
      return line;
    case Resp.ERROR:
      return new RedisError('REPLY', errorReplyText(line));
    case Resp.INTEGER:
      return decodeInteger(line);
    case Resp.NULL:
      return null;
    case Resp.BOOLEAN:
      return line === 't';
    case Resp.DOUBLE:
      return decodeDouble(line);
    case Resp.BIG_NUMBER:
      return decodeBigInteger(line);
    case Resp.BULK:
      return takePayload(decoder, Number(line));
    case Resp.BULK_ERROR: {
      const text = takePayload(decoder, Number(line))?.toString('utf8') ?? '';
      return new RedisError('REPLY', errorReplyText(text));
    }
    case Resp.VERBATIM:
      // Three characters of type and a colon stand before the text.
      return takePayload(decoder, Number(line))?.subarray(4) ?? null;
    case Resp.ATTRIBUTE:
      takeElements(decoder, 2 * Number(line));
      return decodeElement(decoder);
    case Resp.MAP:
      return takeElements(decoder, 2 * Number(line));
    default:
      return Number(line) < 0 ? null : takeElements(decoder, Number(line));
  }
}

function takeElements(decoder: Decoder, count: number): readonly RedisReply[] {
  const elements: RedisReply[] = [];
  for (let i = 0; i < count; i++) {
    elements.push(decodeElement(decoder));
  }
  return elements;
}

/** The rest of the line after its first byte. */
function takeLine(decoder: Decoder): string {
  const end = decoder.bytes.indexOf('\r', decoder.at);
  const line = decoder.bytes.toString('utf8', decoder.at + 1, end);
  decoder.at = end + 2;
  return line;
}

function takePayload(decoder: Decoder, length: number): Buffer | null {
  if (length < 0) {
    return null;
  }
  const payload = Buffer.from(decoder.bytes.subarray(decoder.at, decoder.at + length));
  decoder.at += length + 2;
  return payload;
}

function decodeInteger(line: string): number | bigint {
  const value = Number(line);
  if (Number.isSafeInteger(value)) {
    return value;
  }
  return decodeBigInteger(line);
}

function decodeBigInteger(line: string): bigint {
  if (!/^[+-]?\d+$/.test(line)) {
    throw protocolError('an integer that is none');
  }
  return BigInt(line);
}

function decodeDouble(line: string): number {
  switch (line) {
    case 'inf':
      return Number.POSITIVE_INFINITY;
    case '-inf':
      return Number.NEGATIVE_INFINITY;
    case 'nan':
      return Number.NaN;
    default:
      return Number(line);
  }
}
