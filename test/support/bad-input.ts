import {
  connect as connectHttp2,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { Agent, request as httpRequest } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { gzipSync } from 'node:zlib';
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import {
  GetOnlineFeaturesRequestSchema,
  GetOnlineFeaturesResponseSchema,
  type GetOnlineFeaturesRequest,
} from '../../gen/feast/serving/ServingService_pb.ts';
import { ValueSchema, type Value } from '../../gen/feast/types/Value_pb.ts';

const HOST = '127.0.0.1';
const GRPC_PATH = '/feast.serving.ServingService/GetOnlineFeatures';
const JSON_PATH = '/get-online-features';
const TIMEOUT_MS = 20_000;

/** `max_request_bytes` of the servers that these are sent to. */
export const MAX_REQUEST_BYTES = 65_536;

/** One thing that a caller may get wrong, sent to a server of `makeServedRepository`. */
export interface BadInput {
  readonly name: string;
  /** How the server answers: `grpc 3`, `http 415`, `closed`. */
  readonly expected: string;
  send(clients: RawClients): Promise<string>;
}

/** Connections that are kept for many requests. */
export interface RawClients {
  readonly port: number;
  /** One gRPC request as it stands. */
  grpc(headers: OutgoingHttpHeaders, body: Uint8Array): Promise<string>;
  /** One HTTP/1.1 request as it stands. */
  http(path: string, headers: OutgoingHttpHeaders, body: Uint8Array | string): Promise<string>;
  /** Raw bytes on a connection of their own; what was answered first, or `closed`. */
  bytes(...parts: readonly (Uint8Array | string)[]): Promise<string>;
  close(): void;
}

export function openRawClients(port: number): RawClients {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  let session: ClientHttp2Session | undefined;
  const sessionNow = (): ClientHttp2Session => {
    if (session === undefined || session.closed || session.destroyed) {
      session = connectHttp2(`http://${HOST}:${port}`);
      session.on('error', () => {});
    }
    return session;
  };
  return {
    port,
    grpc: (headers, body) => sendGrpc(sessionNow(), headers, body),
    http: (path, headers, body) => sendHttp({ port, agent, path }, headers, body),
    bytes: (...parts) => sendBytes(port, parts),
    close: () => {
      session?.destroy();
      agent.destroy();
    },
  };
}

function sendGrpc(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body: Uint8Array,
): Promise<string> {
  return new Promise((resolve) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': GRPC_PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    let outcome = 'no answer';
    const take = (fields: IncomingHttpHeaders & IncomingHttpStatusHeader): void => {
      const status = fields['grpc-status'];
      if (typeof status === 'string') outcome = `grpc ${status}`;
      else if (outcome === 'no answer') outcome = `http ${fields[':status']}`;
    };
    stream.on('response', take);
    stream.on('trailers', take);
    stream.on('error', () => {});
    stream.setTimeout(TIMEOUT_MS, () => stream.close());
    stream.on('close', () => resolve(outcome));
    stream.resume();
    stream.end(body);
  });
}

function sendHttp(
  { port, agent, path }: { port: number; agent: Agent; path: string },
  headers: OutgoingHttpHeaders,
  body: Uint8Array | string,
): Promise<string> {
  return new Promise((resolve) => {
    const request = httpRequest(
      { host: HOST, port, path, agent, method: 'POST', headers, timeout: TIMEOUT_MS },
      (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString('latin1');
        });
        response.once('close', () => {
          // gRPC-Web has its status in the last message.
          const status = /grpc-status: *(\d+)/i.exec(body.slice(-2000))?.[1];
          resolve(status === undefined ? `http ${response.statusCode}` : `grpc ${status}`);
        });
      },
    );
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve('closed'));
    request.end(body);
  });
}

function sendBytes(port: number, parts: readonly (Uint8Array | string)[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, HOST);
    let received = '';
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.once('close', () => {
      const status = /^HTTP\/1\.1 (\d+)/.exec(received)?.[1];
      resolve(status === undefined ? 'closed' : `http ${status}`);
    });
    for (const part of parts) socket.write(part);
    // The other side closes first, or nobody would see that it does not.
  });
}

type Question = Exclude<
  MessageInitShape<typeof GetOnlineFeaturesRequestSchema>,
  GetOnlineFeaturesRequest
>;
type EntityValue = NonNullable<Exclude<MessageInitShape<typeof ValueSchema>, Value>['val']>;

const FEATURES: Pick<Question, 'kind'> = {
  kind: { case: 'features', value: { val: ['driver_stats:trips'] } },
};

function message(question: Question): Uint8Array {
  return toBinary(GetOnlineFeaturesRequestSchema, create(GetOnlineFeaturesRequestSchema, question));
}

function questionWith(...values: readonly EntityValue[]): Uint8Array {
  return message({ ...FEATURES, entities: { driver_id: { val: values.map((val) => ({ val })) } } });
}

/** A gRPC message with its prefix; `claimed` is the length that it says it has. */
function frame(bytes: Uint8Array, { flag = 0, claimed = bytes.length } = {}): Uint8Array {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(claimed, 1);
  return Buffer.concat([prefix, bytes]);
}

const GOOD = questionWith({ case: 'int64Val', value: 7n });
const JSON_TYPE = { 'content-type': 'application/json' };
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

function http2Frame(type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const SETTINGS = http2Frame(4, 0, 0, new Uint8Array(0));

const grpc = (
  name: string,
  expected: string,
  body: Uint8Array,
  headers: OutgoingHttpHeaders = {},
): BadInput => ({
  name: `gRPC: ${name}`,
  expected,
  send: (clients) => clients.grpc(headers, body),
});

const json = (
  name: string,
  expected: string,
  body: Uint8Array | string,
  headers: OutgoingHttpHeaders = {},
): BadInput => ({
  name: `JSON: ${name}`,
  expected,
  send: (clients) => clients.http(JSON_PATH, { ...JSON_TYPE, ...headers }, body),
});

const connect = (
  name: string,
  expected: string,
  contentType: string,
  body: Uint8Array | string,
): BadInput => ({
  name: `${name} as ${contentType}`,
  expected,
  send: (clients) => clients.http(GRPC_PATH, { 'content-type': contentType }, body),
});

const bytes = (name: string, expected: string, ...parts: (Uint8Array | string)[]): BadInput => ({
  name: `bytes: ${name}`,
  expected,
  send: (clients) => clients.bytes(...parts),
});

const ask = (entities: string, features = '["driver_stats:trips"]'): string =>
  `{"features":${features},"entities":${entities}}`;

/** What is good, to be sent between the others. */
export const GOOD_INPUT: readonly BadInput[] = [
  grpc('a request', 'grpc 0', frame(GOOD)),
  grpc(
    'a request with fields of a later Feast',
    'grpc 0',
    frame(Buffer.concat([GOOD, Buffer.from('ba3e036e6577', 'hex')])),
  ),
  grpc('a gzipped request', 'grpc 0', frame(gzipSync(GOOD), { flag: 1 }), {
    'grpc-encoding': 'gzip',
  }),
  json('a request', 'http 200', ask('{"driver_id":[7]}')),
  json(
    'a request with keys of a later Feast',
    'http 200',
    '{"features":["driver_stats:trips"],"entities":{"driver_id":[7]},"later":{"a":[1]}}',
  ),
  connect('a request', 'http 200', 'application/proto', GOOD),
  connect('a request', 'grpc 0', 'application/grpc-web+proto', frame(GOOD)),
];

/** What is bad, by protocol. */
export const BAD_INPUT: readonly BadInput[] = [
  grpc('no message', 'grpc 12', new Uint8Array(0)),
  grpc('a cut prefix', 'grpc 13', Buffer.from([0, 0, 0])),
  grpc('a cut message', 'grpc 13', frame(GOOD, { claimed: GOOD.length + 9 })),
  grpc('two messages', 'grpc 12', Buffer.concat([frame(GOOD), frame(GOOD)])),
  grpc('a message that says to be 4 GiB long', 'grpc 8', frame(GOOD, { claimed: 2 ** 32 - 1 })),
  grpc('a message one byte over the limit', 'grpc 8', frame(Buffer.alloc(MAX_REQUEST_BYTES + 1))),
  grpc(
    'gzip that unpacks beyond the limit',
    'grpc 8',
    frame(gzipSync(Buffer.alloc(MAX_REQUEST_BYTES + 1)), { flag: 1 }),
    { 'grpc-encoding': 'gzip' },
  ),
  grpc('gzip that is none', 'grpc 13', frame(GOOD, { flag: 1 }), { 'grpc-encoding': 'gzip' }),
  grpc('a packed message of no named encoding', 'grpc 13', frame(GOOD, { flag: 1 })),
  grpc('an unknown encoding', 'grpc 12', frame(GOOD, { flag: 1 }), { 'grpc-encoding': 'br' }),
  grpc('a flag that does not exist', 'grpc 13', frame(GOOD, { flag: 7 })),
  grpc('a timeout that is none', 'grpc 13', frame(GOOD), { 'grpc-timeout': 'soon' }),
  grpc('a content type of JSON', 'http 415', frame(GOOD), { 'content-type': 'text/plain' }),
  grpc('a method that is GET', 'http 405', frame(GOOD), { ':method': 'GET' }),
  grpc('an unknown method', 'grpc 12', frame(GOOD), {
    ':path': '/feast.serving.ServingService/Nope',
  }),
  grpc('an unknown service', 'grpc 12', frame(GOOD), { ':path': '/no.Service/Nope' }),
  grpc('bytes that are no protobuf', 'grpc 3', frame(Buffer.from([0xff, 0xff, 0xff, 0xff]))),
  grpc('a field cut inside', 'grpc 3', frame(GOOD.subarray(0, GOOD.length - 1))),
  grpc(
    'text that is no UTF-8',
    'grpc 3',
    frame(Buffer.concat([Buffer.of(10, 3, 0xff, 0xfe, 0xfd), GOOD])),
  ),
  grpc(
    'an entity of the wrong type',
    'grpc 3',
    frame(questionWith({ case: 'stringVal', value: 'seven' })),
  ),
  grpc(
    'an entity with a fraction',
    'grpc 3',
    frame(questionWith({ case: 'doubleVal', value: 7.5 })),
  ),
  grpc(
    'an entity that is a list',
    'grpc 3',
    frame(questionWith({ case: 'int64ListVal', value: { val: [7n] } })),
  ),
  grpc(
    'entity columns of different lengths',
    'grpc 3',
    frame(
      message({
        ...FEATURES,
        entities: {
          driver_id: { val: [{ val: { case: 'int64Val', value: 7n } }] },
          other: { val: [7n, 8n].map((value) => ({ val: { case: 'int64Val', value } })) },
        },
      }),
    ),
  ),
  grpc('no entities', 'grpc 3', frame(message(FEATURES))),
  grpc('no features', 'grpc 3', frame(message({ entities: {} }))),
  grpc(
    'a reference without a view',
    'grpc 3',
    frame(message({ kind: { case: 'features', value: { val: ['trips'] } } })),
  ),
  grpc(
    'an unknown view',
    'grpc 5',
    frame(message({ kind: { case: 'features', value: { val: ['nope:trips'] } } })),
  ),
  grpc(
    'an unknown service of features',
    'grpc 5',
    frame(message({ kind: { case: 'featureService', value: 'nope' } })),
  ),
  grpc(
    'an answer for a question',
    'grpc 3',
    frame(
      toBinary(
        GetOnlineFeaturesResponseSchema,
        create(GetOnlineFeaturesResponseSchema, { results: [{ statuses: [1, 2] }] }),
      ),
    ),
  ),
  json('nothing', 'http 422', ''),
  json('cut JSON', 'http 422', ask('{"driver_id":[7').slice(0, -1)),
  json('JSON that is a list', 'http 422', '[]'),
  json('no entities', 'http 422', '{"features":["driver_stats:trips"]}'),
  json(
    'text that is no UTF-8',
    'http 400',
    Buffer.concat([Buffer.from('{"entities":"'), Buffer.of(0xff, 0xfe), Buffer.from('"}')]),
  ),
  json('nothing but brackets', 'http 422', '['.repeat(60_000)),
  json('a body over the limit', 'http 413', Buffer.alloc(MAX_REQUEST_BYTES + 1, 0x20)),
  json('gzip that is none', 'http 400', '{}', { 'content-encoding': 'gzip' }),
  json(
    'gzip that unpacks beyond the limit',
    'http 413',
    gzipSync(Buffer.alloc(MAX_REQUEST_BYTES + 1)),
    { 'content-encoding': 'gzip' },
  ),
  json('an unknown encoding', 'http 415', '{}', { 'content-encoding': 'br' }),
  json('an entity of the wrong type', 'http 400', ask('{"driver_id":["seven"]}')),
  json('an entity with a fraction', 'http 400', ask('{"driver_id":[7.5]}')),
  json('an entity that is a list', 'http 400', ask('{"driver_id":[[7]]}')),
  json('an entity beyond 64 bits', 'http 400', ask('{"driver_id":[9223372036854775808]}')),
  json('entity columns of different lengths', 'http 400', ask('{"driver_id":[7],"other":[7,8]}')),
  json('an unknown view', 'http 404', ask('{"driver_id":[7]}', '["nope:trips"]')),
  connect(
    'protobuf that is none',
    'http 400',
    'application/proto',
    Buffer.from([0x1a, 3, 10, 1, 0x6b]),
  ),
  ...[
    ['bytes that are no protobuf', Buffer.from([0xff, 0xff, 0xff, 0xff])] as const,
    ['a field cut inside', GOOD.subarray(0, GOOD.length - 1)] as const,
    ['a field of an unknown kind', Buffer.of(0x0f)] as const,
  ].flatMap(([name, body]) => [
    connect(name, 'http 400', 'application/proto', body),
    connect(name, 'grpc 3', 'application/grpc-web+proto', frame(body)),
  ]),
  connect('JSON that is none', 'grpc 3', 'application/grpc-web+json', frame(Buffer.from('{'))),
  connect(
    'JSON of the wrong shape',
    'grpc 3',
    'application/grpc-web+json',
    frame(Buffer.from('{"entities":[]}')),
  ),
  connect('JSON that is none', 'http 400', 'application/json', '{'),
  connect('JSON of the wrong shape', 'http 400', 'application/json', '{"entities":[]}'),
  connect('another type', 'http 415', 'text/plain', 'x'),
  connect('gRPC over HTTP/1.1', 'http 415', 'application/grpc', frame(GOOD)),
  connect('an envelope cut', 'grpc 3', 'application/grpc-web+proto', frame(GOOD, { claimed: 500 })),
  connect(
    'an envelope of 4 GiB',
    'grpc 8',
    'application/grpc-web+proto',
    frame(GOOD, { claimed: 2 ** 32 - 1 }),
  ),
  bytes('no protocol', 'http 400', '\0\0\0\0\0\0\0\0\r\n\r\n'),
  bytes('HTTP of another version', 'http 400', 'GET /health HTTP/9.9\r\n\r\n'),
  bytes('headers without end', 'http 431', `GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`),
  bytes(
    'two lengths',
    'http 400',
    `POST ${JSON_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
  ),
  bytes('an HTTP/2 preface and then noise', 'closed', PREFACE, Buffer.alloc(200, 0xff)),
  bytes(
    'an HTTP/2 frame over the size',
    'closed',
    PREFACE,
    SETTINGS,
    http2Frame(0, 0, 1, Buffer.alloc(200_000)),
  ),
  bytes(
    'HTTP/2 headers on stream 0',
    'closed',
    PREFACE,
    SETTINGS,
    http2Frame(1, 4, 0, Buffer.of(0x83)),
  ),
  bytes(
    'HTTP/2 headers that HPACK cannot read',
    'closed',
    PREFACE,
    SETTINGS,
    http2Frame(1, 5, 1, Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)),
  ),
  bytes(
    'HTTP/2 data on a stream that is not open',
    'closed',
    PREFACE,
    SETTINGS,
    http2Frame(0, 0, 99, Buffer.of(1)),
  ),
  bytes(
    'an HTTP/2 window that overflows',
    'closed',
    PREFACE,
    SETTINGS,
    http2Frame(8, 0, 0, Buffer.of(0x7f, 0xff, 0xff, 0xff)),
    http2Frame(8, 0, 0, Buffer.of(0x7f, 0xff, 0xff, 0xff)),
  ),
];
