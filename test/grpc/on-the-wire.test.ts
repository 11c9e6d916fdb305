import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { createDispatcher, type Dispatcher } from '../../src/grpc/dispatch.ts';
import { FRAME_HEADROOM, type CallContext, type GrpcService } from '../../src/grpc/grpc-service.ts';
import { GrpcCode, GrpcStatusError } from '../../src/grpc/status.ts';
import { createEngine } from '../../src/http2/engine.ts';
import {
  data,
  frame,
  headers,
  HELLO,
  PADDED,
  POST,
  PREFACE,
  resetStream,
  settings,
  windowUpdate,
  type Fields,
} from '../http2/frames.ts';
import { createRig, eventually, type RawClient, type Rig } from '../http2/raw-client.ts';

// They take milliseconds, but the machine may be busy.
vi.setConfig({ testTimeout: 30_000 });

const INITIAL_WINDOW_SIZE = 4;
const LIMIT = 100_000;

/** Calls of `Stream` that are open, with what they were called with. */
interface Server {
  readonly rig: Rig;
  readonly dispatcher: Dispatcher;
  readonly streams: CallContext[];
  /** gRPC codes of the calls that are over. */
  readonly ended: number[];
}

function framed(message: Uint8Array): Buffer {
  return Buffer.concat([Buffer.alloc(FRAME_HEADROOM), message]);
}

function createServer(): Server {
  const streams: CallContext[] = [];
  const ended: number[] = [];
  const service: GrpcService = {
    name: 'probe.Probe',
    methods: {
      Echo: { kind: 'unary', call: (message) => Promise.resolve(framed(message)) },
      /** Fails with the request as its message. */
      Fail: {
        kind: 'unary',
        call: (message) =>
          Promise.reject(
            new GrpcStatusError(GrpcCode.ABORTED, Buffer.from(message).toString('latin1')),
          ),
      },
      /** Answers each request with itself. */
      Repeat: {
        kind: 'streaming',
        requests: 'many',
        open: (_call, responses) => ({
          onMessage: (message) => responses.send(message),
          onEnd: () => responses.end(),
        }),
      },
      /** Answers with a hundred messages of a hundred bytes, and leaves it at that. */
      Stream: {
        kind: 'streaming',
        requests: 'one',
        open: (call, responses) => ({
          onMessage(): void {
            streams.push(call);
            for (let i = 0; i < 100; i++) responses.send(Buffer.alloc(100, i));
          },
          onEnd(): void {},
        }),
      },
    },
  };
  const dispatcher = createDispatcher({
    services: [service],
    limits: { maxRequestBytes: LIMIT, defaultDeadlineMs: 0, maxConcurrentRequests: 100 },
    observer: {
      inFlightCount: 0,
      receivedMessageCount: 0,
      sentMessageCount: 0,
      onCallEnd: (_call, { code }) => void ended.push(code),
    },
  });
  const rig = createRig(
    {},
    () => {},
    (limits, _listener, observer) => createEngine(limits, dispatcher.listener, observer),
  );
  return { rig, dispatcher, streams, ended };
}

/** A message with its prefix. */
function prefixed(message: Uint8Array | string, flag = 0): Buffer {
  const bytes = framed(Buffer.from(message));
  bytes[0] = flag;
  bytes.writeUInt32BE(bytes.length - FRAME_HEADROOM, 1);
  return bytes;
}

function messagesOf(body: Buffer): { flag: number; bytes: Buffer }[] {
  const messages = [];
  for (let at = 0; at < body.length;) {
    const end = at + FRAME_HEADROOM + body.readUInt32BE(at + 1);
    messages.push({ flag: body[at]!, bytes: body.subarray(at + FRAME_HEADROOM, end) });
    at = end;
  }
  return messages;
}

function call(path: string, more: Fields = []): Fields {
  return [
    ...POST.map(([name, value]) => [name, name === ':path' ? path : value] as const),
    ...more,
  ];
}

/** The fields of an answer, of its head and its trailers, and its messages as they are on the wire. */
async function answer(
  client: RawClient,
  streamId: number,
): Promise<{ fields: Record<string, string>; body: Buffer; frameTypes: number[] }> {
  const isLast = (each: { flags: number; streamId: number; type: number }): boolean =>
    each.type === 1 && each.streamId === streamId && (each.flags & 1) === 1;
  await client.frame('trailers', isLast);
  const own = client.frames.filter((each) => each.streamId === streamId && each.type < 2);
  const blocks = own.filter(({ type }) => type === 1).length;
  let fields: Record<string, string> = {};
  for (let i = 1; i <= blocks; i++) fields = { ...fields, ...(await client.fields(streamId, i)) };
  return { fields, body: client.body(streamId), frameTypes: own.map(({ type }) => type) };
}

async function ask(fields: Fields, body: Buffer): ReturnType<typeof answer> {
  const client = createServer().rig.connect();
  client.send(headers(1, fields, 0));
  for (let at = 0; at < body.length; at += 16_384) {
    client.send(data(1, body.subarray(at, at + 16_384), 0));
  }
  client.send(data(1, ''));
  return answer(client, 1);
}

describe('a request', () => {
  it('in thousands of pieces of a byte, with empty and padded ones between them, is one message', async () => {
    const client = createServer().rig.connect(HELLO, windowUpdate(0, 1_000_000));
    const message = Buffer.from(Array.from({ length: 4000 }, (_, i) => i & 255));
    client.send(headers(1, call('/probe.Probe/Echo'), 0));
    for (const byte of prefixed(message)) {
      client.send(frame(0, 0, 1, [byte]), frame(0, 0, 1), frame(0, PADDED, 1, [3, 0, 0, 0]));
    }
    client.send(frame(0, PADDED | 1, 1, [0]));
    const { fields, body } = await answer(client, 1);
    expect(fields['grpc-status']).toBe('0');
    expect(body.equals(prefixed(message))).toBe(true);
  });

  it('may end with trailers of the client', async () => {
    const client = createServer().rig.connect();
    client.send(headers(1, call('/probe.Probe/Echo'), 0), data(1, prefixed('a'), 0));
    client.send(headers(1, [['x-checksum', '1']]));
    expect((await answer(client, 1)).fields['grpc-status']).toBe('0');
  });

  it.each(['/', '//', '/probe.Probe', '/probe.Probe/', '/probe.Probe/Echo?a=1', '/a/b/c', '/%'])(
    'for %j is answered that there is no such method',
    async (path) => {
      const { fields, frameTypes } = await ask(call(path), prefixed('a'));
      expect(fields['grpc-status']).toBe(String(GrpcCode.UNIMPLEMENTED));
      // Trailers alone: the only block of fields is the last one.
      expect(frameTypes).toEqual([1]);
      expect(fields).toMatchObject({ ':status': '200', 'content-type': 'application/grpc' });
    },
  );
});

describe('compression', () => {
  const packed = gzipSync('hello');
  const gzip: Fields = [['grpc-encoding', 'gzip']];

  it.each<[string, Fields, Buffer, string]>([
    [
      'a message packed in two parts',
      gzip,
      prefixed(Buffer.concat([packed, packed]), 1),
      'hellohello',
    ],
    ['a message that is not packed', gzip, prefixed('hello', 0), 'hello'],
    ['identity, said', [['grpc-encoding', 'identity']], prefixed('hello', 0), 'hello'],
    ['nothing, packed', gzip, prefixed(gzipSync(''), 1), ''],
  ])('takes %s', async (_name, fields, body, text) => {
    const found = await ask(call('/probe.Probe/Echo', fields), body);
    expect(found.fields['grpc-status']).toBe('0');
    expect(found.body.equals(prefixed(text))).toBe(true);
  });

  it.each<[string, Fields, Buffer, GrpcCode]>([
    ['a mark and no encoding', [], prefixed(packed, 1), GrpcCode.INTERNAL],
    [
      'a mark and identity',
      [['grpc-encoding', 'identity']],
      prefixed(packed, 1),
      GrpcCode.INTERNAL,
    ],
    ['a mark and nothing', gzip, prefixed('', 1), GrpcCode.INTERNAL],
    ['gzip that is cut off', gzip, prefixed(packed.subarray(0, -1), 1), GrpcCode.INTERNAL],
    ['gzip with a wrong sum', gzip, prefixed(damaged(packed), 1), GrpcCode.INTERNAL],
    [
      'gzip with more behind it',
      gzip,
      prefixed(Buffer.concat([packed, Buffer.from('more')]), 1),
      GrpcCode.INTERNAL,
    ],
    [
      'a bomb',
      gzip,
      prefixed(gzipSync(Buffer.alloc(50 * 1024 * 1024)), 1),
      GrpcCode.RESOURCE_EXHAUSTED,
    ],
    [
      'a bomb in two parts',
      gzip,
      prefixed(Buffer.concat([gzipSync(Buffer.alloc(60_000)), gzipSync(Buffer.alloc(60_000))]), 1),
      GrpcCode.RESOURCE_EXHAUSTED,
    ],
    ['an encoding twice', [...gzip, ...gzip], prefixed(packed, 1), GrpcCode.UNIMPLEMENTED],
  ])('refuses %s', async (_name, fields, body, code) => {
    const found = await ask(call('/probe.Probe/Echo', fields), body);
    expect(found.fields['grpc-status']).toBe(String(code));
  });

  it('says what it takes to a client that packs in another way', async () => {
    const { fields } = await ask(
      call('/probe.Probe/Echo', [['grpc-encoding', 'snappy']]),
      prefixed('a', 1),
    );
    expect(fields).toMatchObject({
      'grpc-status': String(GrpcCode.UNIMPLEMENTED),
      'grpc-accept-encoding': 'identity,gzip',
    });
  });

  it('packs answers for who packs, unless that client does not take it', async () => {
    const body = prefixed(gzipSync(Buffer.alloc(5000)), 1);
    const flagOf = async (more: Fields): Promise<number> =>
      (await ask(call('/probe.Probe/Echo', [...gzip, ...more]), body)).body[0]!;
    expect(await flagOf([])).toBe(1);
    expect(await flagOf([['grpc-accept-encoding', 'deflate, gzip']])).toBe(1);
    expect(await flagOf([['grpc-accept-encoding', 'identity']])).toBe(0);
  });

  it('marks each message of a stream by itself, in both directions', async () => {
    const long = Buffer.alloc(5000, 'long');
    const body = Buffer.concat([
      prefixed('short'),
      prefixed(gzipSync(long), 1),
      prefixed(long),
      prefixed(gzipSync('short'), 1),
    ]);
    const answerTo = async (more: Fields): Promise<[string | undefined, number[], Buffer[]]> => {
      const found = await ask(call('/probe.Probe/Repeat', [...gzip, ...more]), body);
      const messages = messagesOf(found.body);
      return [
        found.fields['grpc-encoding'],
        messages.map(({ flag }) => flag),
        messages.map(({ flag, bytes }) => (flag === 1 ? gunzipSync(bytes) : bytes)),
      ];
    };
    const sent = [Buffer.from('short'), long, long, Buffer.from('short')];
    expect(await answerTo([])).toEqual(['gzip', [0, 1, 1, 0], sent]);
    const plain: Fields = [['grpc-accept-encoding', 'identity']];
    expect(await answerTo(plain)).toEqual([undefined, [0, 0, 0, 0], sent]);
  });

  it('counts each message of a stream by itself, unpacked', async () => {
    const most = prefixed(gzipSync(Buffer.alloc(LIMIT)), 1);
    const tooMuch = prefixed(gzipSync(Buffer.alloc(LIMIT + 1)), 1);
    const fields = call('/probe.Probe/Repeat', gzip);
    const good = await ask(fields, Buffer.concat([most, most, most]));
    expect([good.fields['grpc-status'], messagesOf(good.body).length]).toEqual(['0', 3]);
    const bad = await ask(fields, Buffer.concat([most, tooMuch, most]));
    expect(bad.fields['grpc-status']).toBe(String(GrpcCode.RESOURCE_EXHAUSTED));
    expect(bad.fields['grpc-message']).toContain(`more than ${LIMIT} bytes when decompressed`);
  });
});

function damaged(packed: Buffer): Buffer {
  const bytes = Buffer.from(packed);
  bytes[bytes.length - 5]! ^= 1;
  return bytes;
}

describe('a deadline', () => {
  it.each(['0S', '0n', '1n', '999u'])('of %s passes at once', async (timeout) => {
    const server = createServer();
    const client = server.rig.connect();
    client.send(headers(1, call('/probe.Probe/Stream', [['grpc-timeout', timeout]]), 0));
    client.send(data(1, prefixed('')));
    const { fields } = await answer(client, 1);
    expect(fields['grpc-status']).toBe(String(GrpcCode.DEADLINE_EXCEEDED));
  });

  it.each(['0S', '0H', '00000000n'])('of %s leaves no time to answer', async (timeout) => {
    const fields = call('/probe.Probe/Echo', [['grpc-timeout', timeout]]);
    expect((await ask(fields, prefixed('a'))).fields['grpc-status']).toBe(
      String(GrpcCode.DEADLINE_EXCEEDED),
    );
  });

  it.each(['99999999H', '99999999S', '2147483648m', '00000001H'])(
    'of %s does not pass',
    async (timeout) => {
      const { fields } = await ask(
        call('/probe.Probe/Echo', [['grpc-timeout', timeout]]),
        prefixed('a'),
      );
      expect(fields['grpc-status']).toBe(timeout.length > 9 ? '13' : '0');
    },
  );

  it('of more than a timer of Node holds does not pass at once', async () => {
    const server = createServer();
    const client = server.rig.connect();
    const within = (timeout: string): Fields =>
      call('/probe.Probe/Stream', [['grpc-timeout', timeout]]);
    client.send(headers(1, within('99999999H'), 0), data(1, prefixed('')));
    client.send(headers(3, within('2147484S'), 0), data(3, prefixed('')));
    await eventually(() => expect(server.streams).toHaveLength(2));
    // A deadline that begins later and passes.
    client.send(headers(5, within('20m'), 0), data(5, prefixed('')));
    await eventually(() => expect(server.ended).toEqual([GrpcCode.DEADLINE_EXCEEDED]));
    expect(server.streams.map(({ signal }) => signal.aborted)).toEqual([false, false, true]);
  });

  it('said twice is none', async () => {
    const twice: Fields = [
      ['grpc-timeout', '1S'],
      ['grpc-timeout', '1S'],
    ];
    const { fields } = await ask(call('/probe.Probe/Echo', twice), prefixed('a'));
    expect(fields['grpc-status']).toBe(String(GrpcCode.INTERNAL));
  });
});

it('the message of an error arrives, whatever bytes it has', async () => {
  const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const { fields } = await ask(call('/probe.Probe/Fail'), prefixed(every));
  expect(fields['grpc-status']).toBe(String(GrpcCode.ABORTED));
  expect(fields['grpc-message']).toMatch(/^[\x20-\x7e]+$/);
  expect(decodeURIComponent(fields['grpc-message']!)).toBe(every.toString('latin1'));
});

describe('a stream of answers', () => {
  it('goes out byte by byte where the client opens its window so, and ends when it cancels', async () => {
    const server = createServer();
    const client = server.rig.connect(PREFACE, settings([INITIAL_WINDOW_SIZE, 1]));
    client.send(headers(1, call('/probe.Probe/Stream'), 0), data(1, prefixed('')));
    await eventually(() => expect(server.streams).toHaveLength(1));
    for (let size = 2; size <= 300; size++) {
      client.send(windowUpdate(1, 1));
      if (size % 100 === 0) await eventually(() => expect(client.body(1)).toHaveLength(size));
    }
    expect(client.body(1).subarray(105, 110)).toEqual(Buffer.from([0, 0, 0, 0, 100]));
    expect(server.rig.engine.queuedBytes).toBe(100 * 105 - 300);
    client.send(resetStream(1));
    await eventually(() => expect(server.streams[0]!.signal.aborted).toBe(true));
    expect(server.rig.engine.queuedBytes).toBe(0);
    expect(server.ended).toEqual([GrpcCode.CANCELLED]);
  });

  it('that begins while the server stops is sent elsewhere, as those that were open', async () => {
    const { rig, dispatcher, ended } = createServer();
    const client = rig.connect();
    client.send(headers(1, call('/probe.Probe/Stream'), 0), data(1, prefixed('')));
    await client.fields(1);
    dispatcher.endStreams();
    client.send(headers(3, call('/probe.Probe/Stream'), 0), data(3, prefixed('')));
    client.send(headers(5, call('/probe.Probe/Echo'), 0), data(5, prefixed('')));
    for (const streamId of [1, 3]) {
      const { fields } = await answer(client, streamId);
      expect(fields['grpc-status']).toBe(String(GrpcCode.UNAVAILABLE));
    }
    // What takes no time is still answered.
    expect((await answer(client, 5)).fields['grpc-status']).toBe('0');
    expect(ended.toSorted((a, b) => a - b)).toEqual([
      GrpcCode.OK,
      GrpcCode.UNAVAILABLE,
      GrpcCode.UNAVAILABLE,
    ]);
  });
});
