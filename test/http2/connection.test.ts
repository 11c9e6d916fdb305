import http2 from 'node:http2';
import { describe, expect, it, vi } from 'vitest';
import { encodeHeaderBlock } from '../../src/http2/header-block.ts';
import { ErrorCode } from '../../src/http2/frame.ts';
import {
  data,
  END_HEADERS,
  frame,
  GET,
  headers,
  HELLO,
  PADDED,
  plainBlock,
  plainString,
  POST,
  PREFACE,
  resetStream,
  settings,
  SETTINGS_ACK,
  uint32,
  type Fields,
} from './frames.ts';
import {
  createRig,
  echo,
  OK_HEADERS,
  OK_TRAILERS,
  type SeenRequest,
  eventually,
  socketPair,
} from './raw-client.ts';

// They take milliseconds, but the machine may be busy.
vi.setConfig({ testTimeout: 30_000 });

const without = (fields: Fields, name: string): Fields => fields.filter((each) => each[0] !== name);

describe('a connection', () => {
  it('says its settings, acknowledges those of the client and answers', async () => {
    const rig = createRig();
    const client = rig.connect();
    client.send(headers(1, POST, 0), data(1, 'hello'));
    expect(await client.fields(1)).toEqual({ ':status': '200' });
    expect(await client.fields(1, 2)).toEqual({ 'grpc-status': '0' });
    expect(client.body(1).toString()).toBe('hello');
    expect(client.frames.map(({ type, flags, streamId }) => [type, flags, streamId])).toEqual([
      [4, 0, 0],
      [8, 0, 0],
      [4, 1, 0],
      [1, END_HEADERS, 1],
      [0, 0, 1],
      [1, END_HEADERS | 1, 1],
    ]);
    const [settings, window] = client.frames;
    expect(settings!.payload.toString('hex')).toBe('0003000003e8000400400000000600004000');
    expect(window!.payload.readUInt32BE(0)).toBe(4 * 1024 * 1024 - 65_535);
    await eventually(() => expect(rig.requests[0]!.closeCount).toBe(1));
  });

  it('tells the application the head of a request', async () => {
    const rig = createRig();
    const client = rig.connect();
    client.send(
      headers(1, [...POST, ['x-a', '1'], ['cookie', 'a=1'], ['x-a', '2'], ['cookie', 'b=2']]),
      headers(3, [...without(GET, ':authority'), ['host', 'elsewhere']]),
    );
    await client.fields(3);
    const { head } = rig.requests[0]!;
    expect(head).toMatchObject({
      method: 'POST',
      path: '/probe.Probe/Echo',
      scheme: 'http',
      authority: 'test',
    });
    expect(head.header('content-type')).toBe('application/grpc');
    expect(head.header('x-a')).toBe('1, 2');
    expect(head.header('cookie')).toBe('a=1; b=2');
    expect(head.header('x-b')).toBeUndefined();
    expect(head.fields.map(({ name }) => name)).toEqual([
      'content-type',
      'te',
      'x-a',
      'cookie',
      'x-a',
      'cookie',
    ]);
    expect(rig.requests[1]!.head.authority).toBe('elsewhere');
  });

  it('is not confused by equal header blocks that mean something else by now', async () => {
    const rig = createRig();
    const client = rig.connect();
    const add = (value: string): Buffer =>
      Buffer.concat([Buffer.from([0x40]), plainString('x-a'), plainString(value)]);
    const indexed = Buffer.concat([plainBlock(GET), Buffer.from([0xbe])]);
    const whole = END_HEADERS | 1;
    client.send(frame(1, whole, 1, Buffer.concat([plainBlock(GET), add('one')])));
    client.send(frame(1, whole, 3, indexed), frame(1, whole, 5, indexed));
    client.send(frame(1, whole, 7, Buffer.concat([plainBlock(GET), add('two')])));
    client.send(frame(1, whole, 9, indexed), frame(1, whole, 11, indexed));
    await client.fields(11);
    expect(rig.requests.map(({ head }) => head.header('x-a'))).toEqual([
      'one',
      'one',
      'one',
      'two',
      'two',
      'two',
    ]);
    // The table shrinks to nothing: the same block has no meaning now.
    client.send(frame(1, whole, 13, Buffer.concat([Buffer.from([0x20]), plainBlock(GET)])));
    client.send(frame(1, whole, 15, indexed));
    expect((await client.failure()).code).toBe(ErrorCode.COMPRESSION_ERROR);
  });

  it('puts frames together however they are cut', async () => {
    const rig = createRig();
    const bytes = Buffer.concat([
      HELLO,
      headers(1, POST, 0),
      data(1, 'ab', 0),
      data(1, 'cd'),
      headers(3, POST, 0),
      data(3, 'x'.repeat(3000)),
      SETTINGS_ACK,
      headers(5, GET),
    ]);
    for (const size of [1, 2, 7, 9, 10, 24, 100]) {
      const client = rig.connect(Buffer.alloc(0));
      for (let at = 0; at < bytes.length; at += size) client.send(bytes.subarray(at, at + size));
      await client.fields(5, 2);
      expect(client.body(1).toString()).toBe('abcd');
      expect(client.body(3)).toHaveLength(3000);
    }
  });

  it('takes padding, priorities, trailers and frames of unknown types', async () => {
    const rig = createRig();
    const client = rig.connect();
    const block = plainBlock(POST);
    client.send(
      frame(2, 0, 9, [0, 0, 0, 3, 16]),
      frame(1, END_HEADERS | PADDED | 0x20, 1, [4, 0x80, 0, 0, 7, 1, ...block, 0, 0, 0, 0]),
      frame(200, 255, 1, Buffer.alloc(50)),
      frame(0, PADDED, 1, [3, ...Buffer.from('abc'), 0, 0, 0]),
      frame(0, PADDED, 1, [2, 0, 0]),
      headers(1, [['x-checksum', '1']]),
    );
    expect(await client.fields(1, 2)).toEqual({ 'grpc-status': '0' });
    expect(client.body(1).toString()).toBe('abc');
  });

  it('serves the last stream that there can be, and none after it', async () => {
    const rig = createRig();
    const client = rig.connect();
    const last = 2 ** 31 - 1;
    client.send(headers(last - 2, POST, 0), headers(last, POST, 0));
    client.send(data(last - 2, 'a'), data(last, 'b'));
    await client.fields(last, 2);
    expect([client.body(last - 2).toString(), client.body(last).toString()]).toEqual(['a', 'b']);
    // The reserved bit in front of it is not looked at (RFC 9113 section 4.1): stream 1 again.
    client.send(frame(1, 5, 2 ** 31 + 1, plainBlock(GET)));
    expect((await client.failure()).code).toBe(ErrorCode.STREAM_CLOSED);
  });

  it('takes settings that mean nothing to it', async () => {
    const client = createRig().connect();
    client.send(
      settings([2, 0], [2, 1], [3, 0], [3, 2 ** 32 - 1], [5, 16_384], [5, 2 ** 24 - 1], [6, 0]),
      settings([8, 1], [9, 1], [16, 7], [255, 2 ** 32 - 1]),
      headers(1, GET),
    );
    await client.fields(1, 2);
    expect(client.frames.filter(({ type, flags }) => type === 4 && flags === 1)).toHaveLength(3);
  });

  it('keeps its frames small for a client that takes larger ones', async () => {
    const rig = createRig({}, ({ response }) =>
      response.reply(OK_HEADERS, Buffer.alloc(30_000), OK_TRAILERS),
    );
    const client = rig.connect();
    client.send(
      settings([5, 2 ** 24 - 1]),
      headers(1, GET),
      settings([5, 16_384]),
      headers(3, GET),
    );
    await client.fields(1, 2);
    expect(Math.max(...client.frames.map(({ payload }) => payload.length))).toBe(16_384);
  });

  it('joins a header block from pieces', async () => {
    const rig = createRig();
    const client = rig.connect();
    const block = plainBlock([...POST, ['x-long', 'v'.repeat(9000)]]);
    client.send(
      frame(1, 1, 1, block.subarray(0, 10)),
      frame(9, 0, 1, block.subarray(10, 5000)),
      frame(9, 0, 1, []),
      frame(9, END_HEADERS, 1, block.subarray(5000)),
    );
    await client.fields(1);
    expect(rig.requests[0]!.head.header('x-long')).toHaveLength(9000);
  });

  it.each([
    ['none at all', [[1, 0]]],
    ['a smaller one', [[1, 4095]]],
    [
      'a smaller one for a moment',
      [
        [1, 100],
        [1, 4096],
      ],
    ],
  ] as const)('empties its HPACK table for a client that wants %s, once', async (_, changes) => {
    const rig = createRig();
    const client = rig.connect(HELLO, headers(1, GET));
    const blocks = (): string[] =>
      client.frames.filter(({ type }) => type === 1).map(({ payload }) => payload.toString('hex'));
    await client.fields(1, 2);
    client.send(...changes.map((change) => settings(change)), headers(3, GET), headers(5, GET));
    await client.fields(5, 2);
    // RFC 7541 section 4.2: the first block after the acknowledgement begins with a table of 0 bytes.
    const [head, trailers] = blocks();
    const changed = `20${head}`;
    expect(blocks()).toEqual([head, trailers, changed, trailers, head, trailers]);
  });

  it.each([0, 1024, 4095, 4096, 65_536])(
    'is understood by a client whose HPACK table has %d bytes',
    async (headerTableSize) => {
      const rig = createRig();
      const [ours, theirs] = socketPair();
      rig.engine.accept(theirs);
      const session = http2.connect('http://test', {
        settings: { headerTableSize },
        createConnection: () => ours,
      });
      const ask = (): Promise<unknown> =>
        new Promise((resolve, reject) => {
          const stream = session.request({ ':method': 'POST' });
          let status: unknown;
          stream.on('response', (fields) => (status = fields[':status']));
          stream.on('error', reject);
          stream.on('close', () => resolve(status));
          stream.resume();
          stream.end('x');
        });
      expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 200]);
      session.destroy();
    },
  );

  it('writes long header blocks in pieces', async () => {
    const long = encodeHeaderBlock({ ':status': 200, 'x-long': 'v'.repeat(40_000) });
    const rig = createRig({}, ({ response }) => response.respond(long, true));
    const client = rig.connect();
    client.send(headers(1, GET));
    await client.frame('the end', ({ type, flags }) => type === 9 && flags === END_HEADERS);
    const pieces = client.frames.filter(({ type }) => type === 1 || type === 9);
    expect(pieces.map(({ flags }) => flags)).toEqual([1, 0, END_HEADERS]);
    expect(Buffer.concat(pieces.map(({ payload }) => payload))).toEqual(Buffer.from(long.bytes));
  });

  it.each<[string, Fields]>([
    ['no method', without(GET, ':method')],
    ['no path', without(GET, ':path')],
    ['an empty path', [...without(GET, ':path'), [':path', '']]],
    ['no scheme', without(GET, ':scheme')],
    ['two methods', [[':method', 'GET'], ...GET]],
    ['an unknown pseudo-header field', [...GET, [':protocol', 'a']]],
    ['a pseudo-header field of responses', [...GET, [':status', '200']]],
    ['a pseudo-header field after others', [['x-a', '1'], ...GET]],
    ['a name in upper case', [...GET, ['X-A', '1']]],
    ['a name with a space', [...GET, ['x a', '1']]],
    ['an empty name', [...GET, ['', '1']]],
    ['a line break in a value', [...GET, ['x-a', '1\r\nx-b: 2']]],
    ['a NUL in a value', [...GET, ['x-a', '\0']]],
    ['a control character in a value', [...GET, ['x-a', 'a\x01b']]],
    ['a path without a slash', [...without(GET, ':path'), [':path', 'a']]],
    ['a path that goes on behind an asterisk', [...without(GET, ':path'), [':path', '*a']]],
    ['an asterisk that is not for OPTIONS', [...without(GET, ':path'), [':path', '*']]],
    ['a scheme that is no word', [...without(GET, ':scheme'), [':scheme', 'ht tp']]],
    ['an empty scheme', [...without(GET, ':scheme'), [':scheme', '']]],
    ['an empty method', [...without(GET, ':method'), [':method', '']]],
    ['two hosts', [...GET, ['host', 'test'], ['host', 'test']]],
    ['an empty host', [...GET, ['host', '']]],
    ['a path with a space', [...without(GET, ':path'), [':path', '/a b']]],
    ['an authority with a space', [...without(GET, ':authority'), [':authority', 'a b']]],
    ['a method that is no word', [[':method', 'G T'], ...without(GET, ':method')]],
    ['a value that begins with a space', [...GET, ['x-a', ' 1']]],
    ['connection', [...GET, ['connection', 'close']]],
    ['keep-alive', [...GET, ['keep-alive', '5']]],
    ['transfer-encoding', [...GET, ['transfer-encoding', 'chunked']]],
    ['upgrade', [...GET, ['upgrade', 'h2c']]],
    ['te other than trailers', [...GET, ['te', 'trailers, deflate']]],
    ['a bad content-length', [...GET, ['content-length', '-1']]],
    ['two content-lengths', [...POST, ['content-length', '1'], ['content-length', '2']]],
    ['a content-length and no content', [...POST, ['content-length', '1']]],
    ['two content-lengths in one', [...POST, ['content-length', '1, 1']]],
    ['a content-length with a sign', [...POST, ['content-length', '+1']]],
    ['a content-length beyond all numbers', [...POST, ['content-length', '9'.repeat(30)]]],
    ['two te, one of them another', [...GET, ['te', 'trailers'], ['te', 'gzip']]],
    ['proxy-connection', [...GET, ['proxy-connection', 'keep-alive']]],
    [
      'CONNECT with a scheme',
      [
        [':method', 'CONNECT'],
        [':authority', 'a:1'],
        [':scheme', 'http'],
      ],
    ],
    ['CONNECT to nowhere', [[':method', 'CONNECT']]],
    [
      'extended CONNECT',
      [...without(GET, ':method'), [':method', 'CONNECT'], [':protocol', 'websocket']],
    ],
    ['CONNECT with a path', [[':method', 'CONNECT'], ...without(GET, ':method')]],
  ])('resets a request with %s, and that alone', async (_name, fields) => {
    const rig = createRig();
    const client = rig.connect();
    client.send(headers(1, fields), headers(3, GET));
    expect(await client.resetCode(1)).toBe(ErrorCode.PROTOCOL_ERROR);
    await client.fields(3);
    expect(rig.requests).toHaveLength(1);
  });

  it.each<[string, Fields]>([
    [
      'OPTIONS of the server',
      [
        [':method', 'OPTIONS'],
        [':scheme', 'http'],
        [':path', '*'],
        [':authority', 'a'],
      ],
    ],
    [
      'CONNECT',
      [
        [':method', 'CONNECT'],
        [':authority', 'a:1'],
      ],
    ],
    ['a method that nobody knows', [...without(GET, ':method'), [':method', 'M-SEARCH']]],
    ['a scheme that nobody knows', [...without(GET, ':scheme'), [':scheme', 'grpc+x']]],
    ['no authority', without(GET, ':authority')],
    ['te in upper case', [...GET, ['te', 'TRAILERS']]],
    ['equal content-lengths', [...GET, ['content-length', '0'], ['content-length', '0']]],
  ])('hands on a request with %s', async (_name, fields) => {
    const client = createRig().connect();
    client.send(headers(1, fields));
    await client.fields(1, 2);
  });

  it('takes the authority for the host, whatever the client says beside it (gRPC A41)', async () => {
    const rig = createRig();
    const client = rig.connect();
    client.send(headers(1, [...GET, ['host', 'other']]));
    client.send(headers(3, [...without(GET, ':authority'), ['host', 'other']]));
    await client.fields(3, 2);
    expect(rig.requests.map(({ head }) => head.authority)).toEqual(['test', 'other']);
  });

  it.each([
    ['less', 'ab', 1],
    ['more', 'abcd', 0],
    ['more, at last', 'abcd', 1],
  ])('resets a request with %s content than it announced', async (_name, content, flags) => {
    const rig = createRig();
    const client = rig.connect();
    client.send(headers(1, [...POST, ['content-length', '3']], 0), data(1, content, flags));
    expect(await client.resetCode(1)).toBe(ErrorCode.PROTOCOL_ERROR);
    await eventually(() => expect(rig.requests[0]!.closeCount).toBe(1));
    expect(rig.requests[0]!.isEnded).toBe(false);
  });

  it('resets a request whose trailers come before all the content that it announced', async () => {
    const rig = createRig();
    const client = rig.connect();
    const announced = headers(1, [...POST, ['content-length', '3']], 0);
    client.send(announced, data(1, 'ab', 0), headers(1, [['x-a', '1']]));
    expect(await client.resetCode(1)).toBe(ErrorCode.PROTOCOL_ERROR);
    expect(rig.requests[0]!.isEnded).toBe(false);
  });

  it('tells a client that is not done to stop, and lets pass what was on its way', async () => {
    const rig = createRig();
    const client = rig.connect();
    client.send(headers(1, POST, 0));
    await eventually(() => expect(rig.requests).toHaveLength(1));
    rig.requests[0]!.response.respond(encodeHeaderBlock({ ':status': 415 }), true);
    expect(await client.resetCode(1)).toBe(ErrorCode.NO_ERROR);
    client.send(data(1, 'late', 0), headers(1, [['x-a', '1']]), resetStream(1), headers(3, GET));
    await client.fields(3);
    expect(rig.requests[0]!.body).toHaveLength(0);
  });

  it('closes a stream that the client resets, and ignores what the application says then', async () => {
    const rig = createRig({}, () => {});
    const client = rig.connect();
    client.send(headers(1, GET), headers(3, GET), resetStream(1));
    await eventually(() => expect(rig.requests[0]!.closeCount).toBe(1));
    const [first, second] = rig.requests as [SeenRequest, SeenRequest];
    echo(first);
    first.response.respond(OK_HEADERS, false);
    expect(first.response.write(Buffer.from('x'))).toBe(true);
    first.response.end(undefined, undefined);
    first.response.reset(2);
    echo(second);
    await client.fields(3, 2);
    expect(client.frames.some(({ streamId }) => streamId === 1)).toBe(false);
    expect(first.closeCount).toBe(1);
  });

  it('lets the application reset a stream', async () => {
    const rig = createRig({}, ({ response }) => response.reset(ErrorCode.CANCEL));
    const client = rig.connect();
    client.send(headers(1, GET));
    expect(await client.resetCode(1)).toBe(ErrorCode.CANCEL);
    await eventually(() => expect(rig.requests[0]!.closeCount).toBe(1));
  });

  it('never tells the application of the end from within a call of its own', async () => {
    const seen: string[] = [];
    const rig = createRig({}, (request) => {
      seen.push('reply');
      echo(request);
      seen.push(`replied ${request.closeCount}`);
    });
    const client = rig.connect();
    client.send(headers(1, GET));
    await client.fields(1, 2);
    expect(seen).toEqual(['reply', 'replied 0']);
    await eventually(() => expect(rig.requests[0]!.closeCount).toBe(1));
  });

  it('answers in one write what became ready in one turn', async () => {
    const rig = createRig({}, () => {});
    const client = rig.connect();
    for (let i = 0; i < 50; i++) client.send(headers(2 * i + 1, GET));
    await eventually(() => expect(rig.requests).toHaveLength(50));
    const sizes: number[] = [];
    client.socket.on('data', (chunk: Buffer) => void sizes.push(chunk.length));
    for (const request of rig.requests)
      request.response.reply(OK_HEADERS, Buffer.alloc(5), OK_TRAILERS);
    await client.fields(99, 2);
    expect(sizes).toHaveLength(1);
  });

  it('keeps a fault of the application to its connection', async () => {
    const rig = createRig({}, () => {
      throw new TypeError('a fault');
    });
    const other = rig.connect();
    const client = rig.connect();
    client.send(headers(1, GET));
    expect((await client.failure()).code).toBe(ErrorCode.INTERNAL_ERROR);
    expect(rig.faults).toHaveLength(1);
    other.send(headers(1, POST, 0));
    await eventually(() => expect(rig.requests).toHaveLength(2));
    expect(other.isEnded).toBe(false);
  });

  it('is over when the client hangs up', async () => {
    const rig = createRig({}, () => {});
    const client = rig.connect();
    client.send(headers(1, GET), headers(3, POST, 0));
    await eventually(() => expect(rig.requests).toHaveLength(2));
    expect(rig.engine.connectionCount).toBe(1);
    client.socket.destroy();
    await eventually(() => expect(rig.engine.connectionCount).toBe(0));
    expect(rig.requests.map(({ closeCount }) => closeCount)).toEqual([1, 1]);
  });

  it('counts what happens', async () => {
    const rig = createRig({}, () => {});
    const client = rig.connect();
    client.send(headers(1, GET), resetStream(1), headers(3, [...GET, ['X', '1']]), data(1, ''));
    await client.resetCode(3);
    client.send(data(99, ''));
    await client.failure();
    expect(rig.engine.counters).toEqual({
      connections: 1,
      connectionErrors: 1,
      streams: 1,
      streamsClosed: 1,
      streamsSucceeded: 0,
      streamsReset: 1,
      streamErrors: 2,
      pings: 0,
      keepAlivesSent: 0,
      flowControlStalls: 0,
    });
  });
});

describe('a connection ends with GOAWAY for', () => {
  const PROTOCOL = ErrorCode.PROTOCOL_ERROR;
  const SIZE = ErrorCode.FRAME_SIZE_ERROR;
  it.each<[string, number, Buffer[]]>([
    ['another preface', PROTOCOL, [Buffer.from('GET / HTTP/1.1\r\n\r\n')]],
    ['a first frame that is not SETTINGS', PROTOCOL, [PREFACE, headers(1, GET)]],
    ['an acknowledgement as first frame', PROTOCOL, [PREFACE, SETTINGS_ACK]],
    ['a frame over 16 KiB', SIZE, [HELLO, frame(0, 0, 1, Buffer.alloc(16_385))]],
    ['a stream with an even number', PROTOCOL, [HELLO, headers(2, GET)]],
    ['HEADERS without a stream', PROTOCOL, [HELLO, headers(0, GET)]],
    ['DATA without a stream', PROTOCOL, [HELLO, data(0, 'x')]],
    ['DATA for an idle stream', PROTOCOL, [HELLO, data(1, 'x')]],
    ['RST_STREAM for an idle stream', PROTOCOL, [HELLO, resetStream(1)]],
    ['WINDOW_UPDATE for an idle stream', PROTOCOL, [HELLO, frame(8, 0, 1, uint32(1))]],
    [
      'a stream that was skipped',
      ErrorCode.STREAM_CLOSED,
      [HELLO, headers(5, GET), headers(3, GET)],
    ],
    [
      'padding longer than DATA',
      PROTOCOL,
      [HELLO, headers(1, POST, 0), frame(0, PADDED, 1, [9, 1])],
    ],
    ['padding that is missing', PROTOCOL, [HELLO, headers(1, POST, 0), frame(0, PADDED, 1, [])]],
    ['padding longer than HEADERS', PROTOCOL, [HELLO, frame(1, PADDED | 4, 1, [9, 0x82])]],
    ['a priority that is cut off', PROTOCOL, [HELLO, frame(1, 0x20 | 4, 1, [0, 0])]],
    [
      'a header block with another frame in it',
      PROTOCOL,
      [HELLO, frame(1, 0, 1, [0x82]), headers(3, GET)],
    ],
    [
      'CONTINUATION of another stream',
      PROTOCOL,
      [HELLO, frame(1, 0, 1, [0x82]), frame(9, 4, 3, [0x84])],
    ],
    ['CONTINUATION of nothing', PROTOCOL, [HELLO, frame(9, 4, 1, [0x84])]],
    ['PUSH_PROMISE', PROTOCOL, [HELLO, frame(5, 4, 1, [0, 0, 0, 2, 0x82])]],
    ['SETTINGS for a stream', PROTOCOL, [HELLO, frame(4, 0, 1)]],
    ['SETTINGS of a wrong size', SIZE, [HELLO, frame(4, 0, 0, [0, 3, 0])]],
    [
      'HEADERS that are interrupted by the same',
      PROTOCOL,
      [HELLO, frame(1, 0, 1, [0x82]), frame(1, 4, 1, [0x84])],
    ],
    [
      'a header block with a frame of an unknown type in it',
      PROTOCOL,
      [HELLO, frame(1, 0, 1, [0x82]), frame(77, 0, 0), frame(9, 4, 1, [0x84])],
    ],
    ['CONTINUATION without a stream', PROTOCOL, [HELLO, frame(9, 4, 0, [0x84])]],
    [
      'INITIAL_WINDOW_SIZE too large',
      ErrorCode.FLOW_CONTROL_ERROR,
      [HELLO, settings([4, 2 ** 31])],
    ],
    ['an acknowledgement with content', SIZE, [HELLO, frame(4, 1, 0, [0, 3, 0, 0, 0, 1])]],
    ['ENABLE_PUSH 2', PROTOCOL, [HELLO, frame(4, 0, 0, [0, 2, 0, 0, 0, 2])]],
    ['a MAX_FRAME_SIZE too small', PROTOCOL, [HELLO, frame(4, 0, 0, [0, 5, 0, 0, 0x3f, 0xff])]],
    ['a MAX_FRAME_SIZE too large', PROTOCOL, [HELLO, frame(4, 0, 0, [0, 5, 1, 0, 0, 0])]],
    ['PING for a stream', PROTOCOL, [HELLO, frame(6, 0, 1, Buffer.alloc(8))]],
    ['PING of a wrong size', SIZE, [HELLO, frame(6, 0, 0, Buffer.alloc(7))]],
    ['RST_STREAM without a stream', PROTOCOL, [HELLO, resetStream(0)]],
    ['RST_STREAM of a wrong size', SIZE, [HELLO, headers(1, GET), frame(3, 0, 1, [0])]],
    ['PRIORITY without a stream', PROTOCOL, [HELLO, frame(2, 0, 0, [0, 0, 0, 1, 1])]],
    ['GOAWAY for a stream', PROTOCOL, [HELLO, frame(7, 0, 1, Buffer.alloc(8))]],
    ['GOAWAY that is cut off', SIZE, [HELLO, frame(7, 0, 0, Buffer.alloc(7))]],
    ['WINDOW_UPDATE of a wrong size', SIZE, [HELLO, frame(8, 0, 0, [0, 0, 1])]],
    ['a bad header block', ErrorCode.COMPRESSION_ERROR, [HELLO, frame(1, 5, 1, [0xff])]],
  ])('%s', async (_name, code, bytes) => {
    const rig = createRig({}, () => {});
    const other = rig.connect();
    const client = rig.connect(...bytes);
    expect((await client.failure()).code).toBe(code);
    await eventually(() => expect(rig.engine.connectionCount).toBe(1));
    const count = rig.requests.length;
    other.send(headers(1, GET));
    await eventually(() => expect(rig.requests).toHaveLength(count + 1));
  });
});
