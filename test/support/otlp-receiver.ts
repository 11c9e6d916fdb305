import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** One span, as https://github.com/open-telemetry/opentelemetry-proto (v1.7, `trace/v1/trace.proto`) has it. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** '' = it is the first of its trace. */
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly name: string;
  /** 1 = internal, 2 = server, 3 = client. */
  readonly kind: number;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly isError: boolean;
  /** Attributes of what sent it. */
  readonly resource: ReceivedSpan['attributes'];
}

/** Takes traces over OTLP/HTTP in protobuf. */
export interface OtlpReceiver {
  /** Base URL. */
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** Of every request, in their order, with its path. */
  readonly requests: readonly { readonly path: string; readonly headers: IncomingHttpHeaders }[];
  /** How requests are answered from now on; they are taken by default. */
  answer: (response: ServerResponse) => void;
  close(): Promise<void>;
}

/** Starts one on loopback, in plain text unless it is given what TLS needs. */
export async function startOtlpReceiver(tls?: ServerOptions): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const requests: { path: string; headers: IncomingHttpHeaders }[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse): void =>
    void take(request, response);
  const server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener);
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request);
    const { url = '', headers } = request;
    requests.push({ path: url, headers });
    spans.push(...readTraces(headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body));
    receiver.answer(response);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const receiver: OtlpReceiver = {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    answer: (response) =>
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

type Attributes = Record<string, string | number | boolean>;
/** What a message has, by field number; repeated ones in their order. */
type Fields = ReadonlyMap<number, readonly (Uint8Array | bigint)[]>;

/** `ExportTraceServiceRequest`. */
export function readTraces(bytes: Uint8Array): ReceivedSpan[] {
  return messagesOf(fieldsOf(bytes), 1).flatMap((ofResource) => {
    const resource = messagesOf(ofResource, 1).map((message) => attributesOf(message, 1))[0] ?? {};
    return messagesOf(ofResource, 2).flatMap((ofScope) =>
      messagesOf(ofScope, 2).map((span) => readSpan(span, resource)),
    );
  });
}

function readSpan(span: Fields, resource: Attributes): ReceivedSpan {
  const [status = new Map()] = messagesOf(span, 15);
  return {
    traceId: hexOf(span, 1),
    spanId: hexOf(span, 2),
    traceState: textOf(span, 3),
    parentSpanId: hexOf(span, 4),
    name: textOf(span, 5),
    kind: Number(span.get(6)?.[0] ?? 0),
    startNs: (span.get(7)?.[0] ?? 0n) as bigint,
    endNs: (span.get(8)?.[0] ?? 0n) as bigint,
    attributes: attributesOf(span, 9),
    isError: status.get(3)?.[0] === 2n,
    resource,
  };
}

/** Repeated `KeyValue` of `AnyValue`s that are text, flags or numbers. */
function attributesOf(message: Fields, field: number): Attributes {
  const attributes: Attributes = {};
  for (const pair of messagesOf(message, field)) {
    const [value = new Map<number, never>()] = messagesOf(pair, 2);
    const [[kind, [held]]] = [...value] as [[number, [Uint8Array | bigint]]];
    const name = textOf(pair, 1);
    if (kind === 1) attributes[name] = textOf(value, 1);
    else if (kind === 2) attributes[name] = held === 1n;
    else if (kind === 3) attributes[name] = Number(held);
    else throw new Error(`${name} holds a value of kind ${kind}, which nobody expects`);
  }
  return attributes;
}

function fieldsOf(bytes: Uint8Array): Fields {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, (Uint8Array | bigint)[]>();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const values = fields.get(field) ?? [];
    fields.set(field, values);
    if (type === WireType.LengthDelimited) values.push(reader.bytes());
    else if (type === WireType.Varint) values.push(BigInt(reader.uint64()));
    else if (type === WireType.Bit64) values.push(BigInt(reader.fixed64()));
    else reader.skip(type, field);
  }
  return fields;
}

function messagesOf(fields: Fields, field: number): Fields[] {
  return (fields.get(field) ?? []).map((bytes) => fieldsOf(bytes as Uint8Array));
}

function hexOf(fields: Fields, field: number): string {
  return Buffer.from((fields.get(field)?.[0] ?? Buffer.alloc(0)) as Uint8Array).toString('hex');
}

function textOf(fields: Fields, field: number): string {
  return Buffer.from((fields.get(field)?.[0] ?? Buffer.alloc(0)) as Uint8Array).toString('utf8');
}
