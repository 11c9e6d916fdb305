import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, vi } from 'vitest';
import { encodeHeaderBlock } from '../../src/http2/header-block.ts';
import { ErrorCode } from '../../src/http2/frame.ts';
import {
  data,
  frame,
  GET,
  headers,
  HELLO,
  POST,
  PREFACE,
  resetStream,
  settings,
  windowUpdate,
} from './frames.ts';
import {
  createRig,
  OK_HEADERS,
  OK_TRAILERS,
  type RawClient,
  type SeenRequest,
  eventually,
} from './raw-client.ts';

// They take milliseconds, but the machine may be busy.
vi.setConfig({ testTimeout: 30_000 });

const INITIAL_WINDOW_SIZE = 4;
const DEFAULT_WINDOW = 65_535;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes whose place can be told. */
const bytesOf = (length: number, seed = 0): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + (i >>> 8) + seed) & 255));

/** Waits until no more DATA comes: a turn of the event loop in which nothing did. */
async function settledBody(client: RawClient, streamId: number): Promise<Buffer> {
  for (let before = -1; client.frames.length !== before;) {
    before = client.frames.length;
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  }
  return client.body(streamId);
}

const replyWith =
  (body: (index: number) => Uint8Array) =>
  ({ response, head }: SeenRequest): void =>
    response.reply(OK_HEADERS, body(Number(head.header('x-index') ?? 0)), OK_TRAILERS);

describe('what a client lets us send', () => {
  it('is sent in frames of at most 16 KiB, with trailers behind', async () => {
    const body = bytesOf(50_000);
    const client = createRig(
      {},
      replyWith(() => body),
    ).connect();
    client.send(headers(1, GET));
    await client.fields(1, 2);
    expect(client.body(1).equals(body)).toBe(true);
    const sizes = client.frames.filter(({ type }) => type === 0).map((each) => each.payload.length);
    expect(Math.max(...sizes)).toBe(16_384);
  });

  it('counts how often it has to wait for them to let it', async () => {
    const rig = createRig(
      {},
      replyWith(() => bytesOf(DEFAULT_WINDOW + 20_000)),
    );
    const client = rig.connect();
    client.send(headers(1, GET));
    await settledBody(client, 1);
    expect(rig.engine.counters).toMatchObject({ flowControlStalls: 1, streamsSucceeded: 0 });
    // The second response finds the window shut.
    client.send(headers(3, GET));
    await settledBody(client, 3);
    expect(rig.engine.counters.flowControlStalls).toBe(2);
    client.send(windowUpdate(1, 100_000), windowUpdate(3, 100_000), windowUpdate(0, 500_000));
    await client.fields(1, 2);
    await client.fields(3, 2);
    expect(rig.engine.counters).toMatchObject({
      flowControlStalls: 2,
      streams: 2,
      streamsClosed: 2,
      streamsSucceeded: 2,
    });
  });

  it.each([0, 1, 16_383, 16_384, 16_385, 65_535, 65_536, 300_000])(
    'a body of %d bytes arrives whole, with and without trailers',
    async (size) => {
      const body = bytesOf(size);
      for (const trailers of [OK_TRAILERS, undefined]) {
        const rig = createRig({}, ({ response }) => response.reply(OK_HEADERS, body, trailers));
        const client = rig.connect(HELLO, windowUpdate(0, 10_000_000));
        client.send(settings([INITIAL_WINDOW_SIZE, 5_000_000]), headers(1, GET));
        await client.frame('the end', ({ type, flags }) => type < 2 && (flags & 1) === 1);
        expect(client.body(1).equals(body)).toBe(true);
        await eventually(() => expect(rig.requests[0]!.closeCount).toBe(1));
      }
    },
  );

  it('waits for the windows of the connection and of the stream', async () => {
    const body = bytesOf(100_000);
    const client = createRig(
      {},
      replyWith(() => body),
    ).connect();
    client.send(headers(1, GET));
    expect(await settledBody(client, 1)).toHaveLength(DEFAULT_WINDOW);
    client.send(windowUpdate(1, 20_000));
    expect(await settledBody(client, 1)).toHaveLength(DEFAULT_WINDOW);
    client.send(windowUpdate(0, 10_000));
    expect(await settledBody(client, 1)).toHaveLength(DEFAULT_WINDOW + 10_000);
    client.send(windowUpdate(0, 50_000));
    expect(await settledBody(client, 1)).toHaveLength(DEFAULT_WINDOW + 20_000);
    client.send(windowUpdate(1, 50_000));
    await client.fields(1, 2);
    expect(client.body(1).equals(body)).toBe(true);
  });

  it('follows settings that change amid a response, below zero and up again', async () => {
    const body = bytesOf(60_000);
    const client = createRig(
      {},
      replyWith(() => body),
    ).connect(PREFACE);
    client.send(settings([INITIAL_WINDOW_SIZE, 100]), headers(1, GET));
    expect(await settledBody(client, 1)).toHaveLength(100);
    // -50: so much has to come before anything is sent.
    client.send(settings([INITIAL_WINDOW_SIZE, 50]));
    client.send(windowUpdate(1, 50));
    expect(await settledBody(client, 1)).toHaveLength(100);
    client.send(windowUpdate(1, 1));
    expect(await settledBody(client, 1)).toHaveLength(101);
    client.send(settings([INITIAL_WINDOW_SIZE, 0], [INITIAL_WINDOW_SIZE, 1000]));
    expect(await settledBody(client, 1)).toHaveLength(101 + 950);
    client.send(settings([INITIAL_WINDOW_SIZE, 1_000_000]));
    await client.fields(1, 2);
    expect(client.body(1).equals(body)).toBe(true);
  });

  it('takes a window that opens byte by byte', async () => {
    const body = bytesOf(300);
    const client = createRig(
      {},
      replyWith(() => body),
    ).connect(PREFACE);
    client.send(settings([INITIAL_WINDOW_SIZE, 1]), headers(1, GET));
    for (let i = 1; i < body.length; i++) client.send(windowUpdate(1, 1));
    await client.fields(1, 2);
    expect(client.body(1).equals(body)).toBe(true);
  });

  it('is shared fairly by large responses, and small ones pass between them', async () => {
    const rig = createRig(
      {},
      replyWith((index) => bytesOf(index === 9 ? 100 : 400_000, index)),
    );
    const client = rig.connect(PREFACE);
    client.send(settings([INITIAL_WINDOW_SIZE, 2 ** 30]), windowUpdate(0, 400_000));
    for (const index of [1, 2, 3, 4]) {
      client.send(headers(2 * index - 1, [...GET, ['x-index', `${index}`]]));
    }
    await settledBody(client, 1);
    const sizes = [1, 3, 5, 7].map((streamId) => client.body(streamId).length);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(DEFAULT_WINDOW + 400_000);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(2 * 16_384);
    client.send(headers(9, [...GET, ['x-index', '9']]), windowUpdate(0, 16_384 * 4 + 100));
    await client.fields(9, 2);
    client.send(windowUpdate(0, 10_000_000));
    for (const streamId of [1, 3, 5, 7]) await client.fields(streamId, 2);
    for (const index of [1, 2, 3, 4]) {
      expect(client.body(2 * index - 1).equals(bytesOf(400_000, index))).toBe(true);
    }
  });

  it('does not keep streams that are over while it lets nothing be sent', async () => {
    const rig = createRig(
      {},
      replyWith(() => bytesOf(DEFAULT_WINDOW)),
    );
    const client = rig.connect();
    // Now the window of the connection is shut, and whoever has something to send waits for it.
    client.send(headers(1, GET));
    await client.fields(1, 2);
    const kept: WeakRef<object>[] = [];
    for (let streamId = 3; streamId < 203; streamId += 2) {
      client.send(headers(streamId, GET));
      await eventually(() => expect(rig.requests).toHaveLength((streamId + 1) / 2));
      kept.push(new WeakRef(rig.requests.at(-1)!.response));
      client.send(resetStream(streamId));
      await eventually(() => expect(rig.requests.at(-1)!.closeCount).toBe(1));
    }
    rig.requests.length = 0;
    await eventually(() => {
      collectGarbage();
      // The last one may still be on the stack, or in a cache of V8's.
      expect(kept.filter((each) => each.deref() !== undefined).length).toBeLessThan(5);
    });
    expect(rig.engine.queuedBytes).toBe(0);
    client.send(windowUpdate(0, 100_000), headers(203, GET));
    await client.fields(203, 2);
  });

  it('is told to an application that can wait', async () => {
    const rig = createRig({}, () => {});
    const client = rig.connect();
    client.send(headers(1, GET));
    await eventually(() => expect(rig.requests).toHaveLength(1));
    const { response } = rig.requests[0]!;
    response.respond(OK_HEADERS, false);
    expect(response.write(bytesOf(10))).toBe(true);
    let sent = 10;
    while (response.write(bytesOf(10_000, sent))) sent += 10_000;
    sent += 10_000;
    expect(sent).toBeGreaterThan(64 * 1024);
    let drainCount = 0;
    response.onDrain(() => (drainCount += 1));
    await settledBody(client, 1);
    expect(drainCount).toBe(0);
    client.send(windowUpdate(0, 1_000_000), windowUpdate(1, 1_000_000));
    await eventually(() => expect(drainCount).toBe(1));
    expect(client.body(1)).toHaveLength(sent);
    response.end(bytesOf(3), OK_TRAILERS);
    await client.fields(1, 2);
    expect(client.body(1)).toHaveLength(sent + 3);
    expect(drainCount).toBe(1);
  });

  it.each([
    ['of the connection', ErrorCode.FLOW_CONTROL_ERROR, windowUpdate(0, 2 ** 31 - 1)],
    ['by a setting', ErrorCode.FLOW_CONTROL_ERROR, settings([INITIAL_WINDOW_SIZE, 2 ** 31])],
    [
      'of an open stream by a setting',
      ErrorCode.FLOW_CONTROL_ERROR,
      Buffer.concat([windowUpdate(1, 1000), settings([INITIAL_WINDOW_SIZE, 2 ** 31 - 1])]),
    ],
    ['by nothing', ErrorCode.PROTOCOL_ERROR, windowUpdate(0, 0)],
  ])('a window that grows too far %s ends the connection', async (_name, code, bytes) => {
    const client = createRig({}, () => {}).connect();
    client.send(headers(1, GET), bytes);
    expect((await client.failure()).code).toBe(code);
  });

  it('a window of a stream that grows too far, or by nothing, ends the stream', async () => {
    const client = createRig({}, () => {}).connect();
    client.send(headers(1, GET), headers(3, GET), headers(5, GET));
    client.send(windowUpdate(1, 2 ** 31 - 1), windowUpdate(3, 0));
    expect(await client.resetCode(1)).toBe(ErrorCode.FLOW_CONTROL_ERROR);
    expect(await client.resetCode(3)).toBe(ErrorCode.PROTOCOL_ERROR);
    // For streams that are gone it means nothing.
    client.send(windowUpdate(1, 5));
    expect(client.isEnded).toBe(false);
  });
});

describe('what we let a client send', () => {
  it('is given back in pieces of half a window', async () => {
    const rig = createRig({ windowBytes: 100_000 });
    const client = rig.connect();
    client.send(headers(1, POST, 0));
    for (let i = 0; i < 100; i++) client.send(data(1, bytesOf(10_000), 0));
    client.send(data(1, ''), windowUpdate(0, 2_000_000), windowUpdate(1, 2_000_000));
    await client.fields(1, 2);
    expect(rig.requests[0]!.body).toHaveLength(1_000_000);
    for (const streamId of [0, 1]) {
      const updates = client.frames
        .filter(({ type, streamId: id }) => type === 8 && id === streamId)
        .map(({ payload }) => payload.readUInt32BE(0));
      const given = streamId === 0 ? updates.slice(1) : updates;
      expect(given).toEqual(Array.from({ length: 20 }, () => 50_000));
    }
  });

  it('is not given back for a stream that the application holds, until it lets go', async () => {
    const rig = createRig({ windowBytes: 100_000 }, () => {});
    const client = rig.connect();
    const updatesOf = (streamId: number) =>
      client.frames
        .filter(({ type, streamId: id }) => type === 8 && id === streamId)
        .map(({ payload }) => payload.readUInt32BE(0));
    client.send(headers(1, POST, 0), headers(3, POST, 0));
    await vi.waitFor(() => expect(rig.requests).toHaveLength(2));
    const [held] = rig.requests;
    held!.response.hold(true);
    for (let i = 0; i < 9; i++) {
      client.send(data(1, bytesOf(10_000), 0), data(3, bytesOf(10_000), 0));
    }
    await vi.waitFor(() => expect(updatesOf(3)).toEqual([50_000]));
    expect([held!.body.length, updatesOf(1)]).toEqual([90_000, []]);
    held!.response.hold(false);
    await vi.waitFor(() => expect(updatesOf(1)).toEqual([90_000]));
  });

  it('ends a stream that is held when more comes than its window', async () => {
    const rig = createRig({ windowBytes: 100_000 }, () => {});
    const client = rig.connect();
    client.send(headers(1, POST, 0));
    await vi.waitFor(() => expect(rig.requests).toHaveLength(1));
    rig.requests[0]!.response.hold(true);
    for (let i = 0; i < 11; i++) client.send(data(1, bytesOf(10_000), 0));
    expect(await client.resetCode(1)).toBe(ErrorCode.FLOW_CONTROL_ERROR);
    expect(rig.requests[0]!.body).toHaveLength(100_000);
  });

  it('counts padding and what comes for streams that are gone', async () => {
    const rig = createRig({ windowBytes: 65_535 }, () => {});
    const client = rig.connect();
    client.send(headers(1, POST, 0));
    await eventually(() => expect(rig.requests).toHaveLength(1));
    rig.requests[0]!.response.reset(ErrorCode.CANCEL);
    client.send(headers(3, POST, 0));
    for (let i = 0; i < 2; i++) client.send(data(1, bytesOf(10_000), 0));
    client.send(frame(0, 8, 3, Buffer.concat([Buffer.from([200]), bytesOf(15_000)])));
    const update = await client.frame(
      'window',
      ({ type, streamId }) => type === 8 && streamId === 0,
    );
    expect(update.payload.readUInt32BE(0)).toBe(35_001);
  });

  it('counts padding of the stream as well', async () => {
    const rig = createRig({ windowBytes: 65_535 }, () => {});
    const client = rig.connect();
    const padded = Buffer.concat([Buffer.from([255]), bytesOf(255 + 245)]);
    client.send(headers(1, POST, 0));
    for (let i = 0; i < 66; i++) client.send(frame(0, 8, 1, padded));
    const update = await client.frame(
      'window',
      ({ type, streamId }) => type === 8 && streamId === 1,
    );
    expect(update.payload.readUInt32BE(0)).toBe(66 * 501);
    expect(rig.requests[0]!.body).toHaveLength(66 * 245);
  });

  it('reaches the application as it is, in the order of the frames', async () => {
    const rig = createRig({}, ({ response, body }) =>
      response.reply(encodeHeaderBlock({ ':status': 200 }), body, undefined),
    );
    const client = rig.connect();
    client.send(headers(1, POST, 0), headers(3, POST, 0));
    for (let i = 0; i < 10; i++) {
      client.send(data(1, `a${i}`, i === 9 ? 1 : 0), data(3, `b${i}`, i === 9 ? 1 : 0));
    }
    await client.frame(
      'the end of 3',
      ({ streamId, flags, type }) => type === 0 && streamId === 3 && flags === 1,
    );
    expect(client.body(1).toString()).toBe('a0a1a2a3a4a5a6a7a8a9');
    expect(client.body(3).toString()).toBe('b0b1b2b3b4b5b6b7b8b9');
  });
});
