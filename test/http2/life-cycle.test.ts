import { describe, expect, it, vi } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import { ErrorCode } from '../../src/http2/frame.ts';
import { encodeHeaderBlock } from '../../src/http2/header-block.ts';
import type { EngineLimits, Http2Engine } from '../../src/http2/http2-engine.ts';
import {
  END_HEADERS,
  END_STREAM,
  frame,
  GET,
  headers,
  HELLO,
  ping,
  plainBlock,
  plainString,
  POST,
  data,
  settings,
  PREFACE,
  windowUpdate,
} from './frames.ts';
import {
  createRig,
  echo,
  OK_HEADERS,
  OK_TRAILERS,
  type RawClient,
  type Rig,
  type SeenRequest,
  eventually,
} from './raw-client.ts';
import { SimulatedSocket } from './simulated-socket.ts';

// They take milliseconds, but the machine may be busy.
vi.setConfig({ testTimeout: 30_000 });

const MAX_STREAM_ID = 2 ** 31 - 1;

/** The GOAWAYs so far: last stream, code, reason. */
function goaways(client: RawClient): [number, number, string][] {
  return client.frames
    .filter(({ type }) => type === 7)
    .map(({ payload }) => [
      payload.readUInt32BE(0),
      payload.readUInt32BE(4),
      payload.toString('latin1', 8),
    ]);
}

/** Waits for a ping of the server and answers it. */
async function answerPing(client: RawClient, count = 1): Promise<void> {
  const { payload } = await client.frame('PING', ({ type, flags }) => type === 6 && flags === 0);
  for (let i = 0; i < count; i++) client.send(frame(6, 1, 0, payload));
}

/** A drain that a client with one stream has heard of. */
async function drainOneStream() {
  const rig = createRig({}, () => {});
  const client = rig.connect();
  client.send(headers(1, GET));
  await eventually(() => expect(rig.requests).toHaveLength(1));
  const drained = rig.engine.drain();
  await client.frame('GOAWAY', ({ type }) => type === 7);
  return { rig, client, drained };
}

describe('draining', () => {
  it('goes in two steps: streams that were on their way are served', async () => {
    const { rig, client, drained } = await drainOneStream();
    expect(goaways(client)).toEqual([[MAX_STREAM_ID, 0, 'the server stops']]);
    // The client opened another one before it heard of it.
    client.send(headers(3, GET));
    await answerPing(client);
    await eventually(() => expect(goaways(client)).toHaveLength(2));
    expect(goaways(client)[1]).toEqual([3, 0, 'draining']);
    // And one after it: not served, not an error either, nor is what belongs to it.
    client.send(
      headers(5, POST, 0),
      data(5, 'x', 0),
      windowUpdate(5, 1),
      headers(5, [['x-a', '1']]),
    );
    expect(rig.requests).toHaveLength(2);
    rig.requests.forEach(echo);
    await client.fields(1, 2);
    await client.fields(3, 2);
    await drained;
    expect(client.isEnded).toBe(true);
    expect(client.frames.some(({ streamId }) => streamId === 5)).toBe(false);
    expect(rig.engine.connectionCount).toBe(0);
  });

  it('waits for the answer to its own ping, and not for that to another one', async () => {
    const { rig, client, drained } = await drainOneStream();
    // It answers what asked whether it is alive, and opens a stream: it has not heard of the drain.
    client.send(frame(6, 1, 0, Buffer.from('keepaliv')), headers(3, GET));
    await eventually(() => expect(rig.requests).toHaveLength(2));
    await answerPing(client);
    await eventually(() => expect(goaways(client).map(([last]) => last)).toContain(3));
    rig.requests.forEach(echo);
    await drained;
    expect(goaways(client).map(([last]) => last)).toEqual([MAX_STREAM_ID, 3]);
  });

  it('lets a request that has begun come to its end after the last GOAWAY', async () => {
    const rig = createRig();
    const client = rig.connect();
    client.send(headers(1, POST, 0), data(1, 'half ', 0));
    await eventually(() => expect(rig.requests).toHaveLength(1));
    const drained = rig.engine.drain();
    await answerPing(client);
    await eventually(() =>
      expect(goaways(client).map(([last]) => last)).toEqual([MAX_STREAM_ID, 1]),
    );
    client.send(data(1, 'and half', 0));
    client.send(data(1, ''));
    await client.fields(1, 2);
    expect(client.body(1).toString()).toBe('half and half');
    await drained;
    expect(client.isEnded).toBe(true);
  });

  it('closes a connection without streams when it has answered', async () => {
    const rig = createRig();
    const client = rig.connect();
    await client.frame('SETTINGS', ({ type, flags }) => type === 4 && flags === 1);
    const drained = rig.engine.drain();
    await answerPing(client);
    await drained;
    expect(goaways(client).map(([last]) => last)).toEqual([MAX_STREAM_ID, 0]);
  });

  it('is told to a client whose connection turns out to be HTTP/2 only then', async () => {
    const rig = createRig({}, () => {});
    rig.connect().send(headers(1, GET));
    await eventually(() => expect(rig.requests).toHaveLength(1));
    const drained = rig.engine.drain();
    const late = rig.connect(HELLO, headers(1, GET));
    await late.frame('GOAWAY', ({ type }) => type === 7);
    await eventually(() => expect(rig.requests).toHaveLength(2));
    rig.requests.forEach(echo);
    await late.fields(1, 2);
    await answerPing(late);
    await drained;
    expect(late.isEnded).toBe(true);
    expect(goaways(late).map(([last]) => last)).toEqual([MAX_STREAM_ID, 1]);
  });

  it('does not wait for ever for the answer', async () => {
    const rig = createRig({ keepAliveMs: 200 });
    const client = rig.connect();
    client.send(headers(1, GET));
    await client.fields(1, 2);
    const startedAt = performance.now();
    await rig.engine.drain();
    expect(performance.now() - startedAt).toBeGreaterThan(900);
    expect(goaways(client).map(([last]) => last)).toEqual([MAX_STREAM_ID, 1]);
  });

  it('has as much time as slow clients have for what is still in the socket', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    try {
      let length = 0;
      const socket = new SimulatedSocket((chunk) => void (length += chunk.length));
      const limits = { ...DEFAULT_LIMITS, slowClientTimeoutMs: 0 };
      const engine = createEngine(limits, (_head, response) => ({
        onData() {},
        onEnd: () => response.reply(OK_HEADERS, Buffer.alloc(60_000), OK_TRAILERS),
        onClose() {},
      }));
      engine.accept(socket);
      socket.deliver(Buffer.concat([HELLO, headers(1, GET)]));
      socket.stall();
      await new Promise((resolve) => setImmediate(resolve));
      const drained = engine.drain();
      for (let second = 0; second < 10; second++) {
        await new Promise((resolve) => setImmediate(resolve));
        vi.advanceTimersByTime(1000);
      }
      expect(engine.connectionCount).toBe(1);
      socket.flow();
      socket.hangUp();
      await drained;
      expect(length).toBeGreaterThan(60_000);
    } finally {
      vi.useRealTimers();
    }
  });

  it('sends a response to its end first', async () => {
    const body = Buffer.alloc(200_000, 7);
    const rig = createRig({}, ({ response }) =>
      response.reply({ fields: {}, bytes: Uint8Array.of(0x88) }, body, undefined),
    );
    const client = rig.connect();
    client.send(headers(1, GET));
    await client.fields(1);
    const drained = rig.engine.drain();
    await answerPing(client);
    client.send(windowUpdate(0, 200_000), windowUpdate(1, 200_000));
    await drained;
    expect(client.body(1)).toEqual(body);
  });

  describe('lets streams pass that a client opens after the last GOAWAY', () => {
    /** A connection that drains and has one open stream. */
    async function drainWithOneStream(): Promise<{ rig: Rig; client: RawClient }> {
      const rig = createRig();
      const client = rig.connect();
      client.send(headers(1, POST, 0));
      await eventually(() => expect(rig.requests).toHaveLength(1));
      void rig.engine.drain();
      await answerPing(client);
      await eventually(() => expect(goaways(client)).toHaveLength(2));
      return { rig, client };
    }

    it('and keeps what their heads put into the table of fields', async () => {
      const { rig, client } = await drainWithOneStream();
      const remembered = Buffer.concat([
        Buffer.from([0x40]),
        plainString('x-checksum'),
        plainString('1'),
      ]);
      // Twice the same bytes: the second head comes from the cache of heads, if it was put there.
      const head = Buffer.concat([plainBlock(POST), remembered]);
      client.send(frame(1, END_HEADERS, 3, head), frame(1, END_HEADERS, 5, head));
      // Trailers that consist of both entries: without them the connection ends with COMPRESSION_ERROR.
      client.send(frame(1, END_HEADERS | END_STREAM, 1, [0x80 | 62, 0x80 | 63]));
      await client.fields(1, 2);
      expect(rig.requests).toHaveLength(1);
      expect(rig.requests[0]!.isEnded).toBe(true);
      await eventually(() => expect(client.isEnded).toBe(true));
      expect(goaways(client).map(([last, code]) => [last, code])).toEqual([
        [MAX_STREAM_ID, 0],
        [1, 0],
      ]);
    });

    it('gives back the window of what belongs to them, so that open streams go on', async () => {
      const { rig, client } = await drainWithOneStream();
      const windowBytes = DEFAULT_LIMITS.windowBytes;
      client.send(headers(3, POST, 0));
      for (let sent = 0; sent < 2 * windowBytes; sent += 16_384) {
        client.send(data(3, Buffer.alloc(16_384), 0));
      }
      const credits = (): number =>
        client.frames
          .filter(({ type, streamId }) => type === 8 && streamId === 0)
          .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
      // The first one is what the server opens its window with.
      await eventually(() => expect(credits()).toBeGreaterThan(2.5 * windowBytes));
      client.send(data(1, 'whole'));
      await client.fields(1, 2);
      expect(client.body(1).toString()).toBe('whole');
      expect(rig.engine.queuedBytes).toBe(0);
    });

    it('as long as they are those that were on their way, not a flood', async () => {
      const { rig, client } = await drainWithOneStream();
      let streamId = 1;
      const more = (count: number): Buffer =>
        Buffer.concat(Array.from({ length: count }, () => headers((streamId += 2), GET)));
      client.send(more(9_000), data(1, 'whole'));
      await client.fields(1, 2);
      expect(client.body(1).toString()).toBe('whole');

      const other = await drainWithOneStream();
      streamId = 1;
      for (let i = 0; i < 10; i++) other.client.send(more(5_000));
      expect(await other.client.failure()).toMatchObject({ code: ErrorCode.ENHANCE_YOUR_CALM });
      expect([...rig.faults, ...other.rig.faults]).toEqual([]);
      expect(other.rig.requests).toHaveLength(1);
    });
  });

  it('is what a client asks for that goes away itself', async () => {
    const rig = createRig({}, () => {});
    const client = rig.connect();
    client.send(headers(1, GET), frame(7, 0, 0, Buffer.alloc(8)));
    await eventually(() => expect(rig.requests).toHaveLength(1));
    expect(client.isEnded).toBe(false);
    echo(rig.requests[0]!);
    await client.fields(1, 2);
    await eventually(() => expect(client.isEnded).toBe(true));
  });

  it('lets no stream in that a client opens after it said that it goes away', async () => {
    const rig = createRig({}, () => {});
    const client = rig.connect();
    client.send(headers(1, GET), frame(7, 0, 0, Buffer.alloc(8)), headers(3, GET));
    await eventually(() => expect(rig.requests).toHaveLength(1));
    // It is told which was the last, so it can send the other one elsewhere.
    await eventually(() => expect(goaways(client).at(-1)?.[0]).toBe(1));
    echo(rig.requests[0]!);
    await eventually(() => expect(client.isEnded).toBe(true));
    expect(client.frames.some(({ streamId }) => streamId === 3)).toBe(false);
  });

  it('resolves at once where there is nobody', async () => {
    await createRig().engine.drain();
  });

  it('is cut short by close', async () => {
    const rig = createRig({}, () => {});
    const client = rig.connect();
    client.send(headers(1, GET));
    await eventually(() => expect(rig.requests).toHaveLength(1));
    const drained = rig.engine.drain();
    rig.engine.close();
    await drained;
    expect(client.isEnded).toBe(true);
    await eventually(() => expect(rig.requests[0]!.closeCount).toBe(1));
  });
});

describe('the age of a connection', () => {
  it('ends it gracefully, a tenth earlier or later', async () => {
    const rig = createRig({ maxConnectionAgeMs: 300 }, () => {});
    const startedAt = performance.now();
    const client = rig.connect();
    client.send(headers(1, GET));
    await client.frame('GOAWAY', ({ type }) => type === 7);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(270);
    expect(goaways(client)[0]).toEqual([MAX_STREAM_ID, 0, 'max_age']);
    await answerPing(client);
    echo(rig.requests[0]!);
    await eventually(() => expect(client.isEnded).toBe(true));
    await client.fields(1, 2);
  });

  it('cuts what does not end in the grace period', async () => {
    const rig = createRig({ maxConnectionAgeMs: 50, drainGraceMs: 100 }, () => {});
    const client = rig.connect();
    client.send(headers(1, GET));
    await eventually(() => expect(client.isEnded).toBe(true));
    expect(goaways(client)[0]![2]).toBe('max_age');
    await eventually(() => expect(rig.requests[0]!.closeCount).toBe(1));
  });

  it('of idleness counts from the last stream', async () => {
    const rig = createRig({ maxConnectionIdleMs: 200 }, () => {});
    const client = rig.connect();
    client.send(headers(1, GET));
    await eventually(() => expect(rig.requests).toHaveLength(1));
    // Not idle as long as the stream is open.
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(goaways(client)).toEqual([]);
    const endedAt = performance.now();
    echo(rig.requests[0]!);
    await client.frame('GOAWAY', ({ type }) => type === 7);
    // The clock of the engine may be a quarter of the time late.
    expect(performance.now() - endedAt).toBeGreaterThanOrEqual(140);
    expect(goaways(client)[0]![2]).toBe('max_idle');
    await answerPing(client);
    await eventually(() => expect(client.isEnded).toBe(true));
  });
});

describe('keep-alive', () => {
  it('pings a silent client, and leaves one alone that answers', async () => {
    const rig = createRig({ keepAliveMs: 60, keepAliveTimeoutMs: 100 });
    const client = rig.connect();
    for (let count = 1; count <= 3; count++) {
      await eventually(() => {
        const pings = client.frames.filter(({ type }) => type === 6);
        expect(pings.length).toBeGreaterThanOrEqual(count);
      });
      client.send(frame(6, 1, 0, Buffer.from('keepaliv')));
    }
    expect(client.isEnded).toBe(false);
    expect(rig.engine.counters.keepAlivesSent).toBeGreaterThanOrEqual(3);
  });

  it('cuts a half-open connection', async () => {
    const rig = createRig({ keepAliveMs: 60, keepAliveTimeoutMs: 60 }, () => {});
    const client = rig.connect();
    client.send(headers(1, GET));
    await eventually(() => expect(client.isEnded).toBe(true));
    await eventually(() => expect(rig.requests[0]!.closeCount).toBe(1));
  });

  it('answers pings with what they say', async () => {
    const client = createRig().connect();
    client.send(ping('abcdefgh'));
    const { payload } = await client.frame('PING', ({ type, flags }) => type === 6 && flags === 1);
    expect(payload.toString()).toBe('abcdefgh');
  });

  it('turns a client away that pings too often', async () => {
    const client = createRig().connect();
    for (let i = 0; i < 4; i++) client.send(ping());
    expect(await client.failure()).toEqual({
      code: ErrorCode.ENHANCE_YOUR_CALM,
      reason: 'too_many_pings',
    });
  });

  it('takes pings between answers, as those that measure the bandwidth', async () => {
    const client = createRig().connect();
    for (let i = 0; i < 20; i++) {
      client.send(headers(2 * i + 1, GET), ping());
      await client.fields(2 * i + 1, 2);
    }
    expect(client.isEnded).toBe(false);
  });

  it('takes pings that come slowly', async () => {
    const client = createRig({ minPingIntervalMs: 20 }).connect();
    for (let i = 1; i <= 6; i++) {
      client.send(ping());
      // Between one that was taken and the next there is this time at least, however busy the machine is.
      await eventually(() =>
        expect(client.frames.filter(({ type }) => type === 6)).toHaveLength(i),
      );
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    expect(client.isEnded).toBe(false);
  });
});

describe('the limit of streams', () => {
  it('refuses one more, and takes it when there is room', async () => {
    const rig = createRig({ maxConcurrentStreams: 2 }, () => {});
    const client = rig.connect();
    client.send(headers(1, GET), headers(3, POST, 0), headers(5, GET));
    expect(await client.resetCode(5)).toBe(ErrorCode.REFUSED_STREAM);
    echo(rig.requests[0]!);
    await client.fields(1, 2);
    client.send(headers(7, GET));
    await eventually(() => expect(rig.requests).toHaveLength(3));
  });

  it('is said in the settings', async () => {
    const client = createRig({ maxConcurrentStreams: 7, maxHeaderListBytes: 5000 }).connect(HELLO);
    const { payload } = await client.frame('SETTINGS', ({ type }) => type === 4);
    expect(payload).toEqual(settings([3, 7], [4, 4 * 1024 * 1024], [6, 5000]).subarray(9));
  });
});

describe('slow clients', () => {
  const LARGE = Buffer.alloc(100_000, 1);
  const big = ({ response }: SeenRequest): void =>
    response.reply({ fields: {}, bytes: Uint8Array.of(0x88) }, LARGE, undefined);

  it('lose the response that they do not read', async () => {
    const rig = createRig({ slowClientTimeoutMs: 100 }, big);
    const client = rig.connect(PREFACE, settings([4, 10]));
    client.send(headers(1, GET));
    expect(await client.resetCode(1)).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(client.isEnded).toBe(false);
  });

  it('lose their connection when they take no bytes at all', async () => {
    const rig = createRig({ slowClientTimeoutMs: 100 }, big);
    const client = rig.connect(PREFACE, settings([4, 2 ** 30]), windowUpdate(0, 2 ** 30));
    client.socket.pause();
    for (let i = 0; i < 20; i++) client.send(headers(2 * i + 1, GET));
    await eventually(() => expect(rig.engine.connectionCount).toBe(0));
  });

  it('are not those that read steadily', async () => {
    const rig = createRig({ slowClientTimeoutMs: 1000 }, big);
    const client = rig.connect(PREFACE, settings([4, 10_000]), windowUpdate(0, 1_000_000));
    client.send(headers(1, GET));
    for (let sent = 10_000; sent < LARGE.length; sent += 10_000) {
      await new Promise((resolve) => setTimeout(resolve, 150));
      client.send(windowUpdate(1, 10_000));
    }
    await client.frame('the end', ({ type, flags }) => type === 0 && flags === 1);
    expect(client.body(1)).toHaveLength(LARGE.length);
  });

  it('are not those that send large requests, a frame of which is always half done', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    try {
      const rig = createRig();
      const client = rig.connect();
      const part = data(1, Buffer.alloc(1000, 1), 0);
      client.send(headers(1, POST, 0), part.subarray(0, 500));
      for (let second = 0; second < 30; second++) {
        await eventually(() => expect(rig.requests[0]?.body).toHaveLength(second * 1000));
        vi.advanceTimersByTime(1000);
        client.send(part.subarray(500), part.subarray(0, 500));
      }
      expect(goaways(client)).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });

  describe('whose socket is so full that we no longer read from it', () => {
    interface Stuck {
      readonly socket: SimulatedSocket;
      readonly engine: Http2Engine;
      readonly written: readonly Buffer[];
      /** Of the request that it has begun. */
      readonly rest: Buffer;
      readonly streamId: number;
    }

    /** Advances the clock of the engine, and lets it work in between. */
    async function pass(seconds: number): Promise<void> {
      for (let second = 0; second < seconds; second++) {
        vi.advanceTimersByTime(1000);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }

    /** Begins a frame that it cannot go on with, for nobody reads it. */
    async function fillUp(limits: Partial<EngineLimits>): Promise<Stuck> {
      const written: Buffer[] = [];
      const socket = new SimulatedSocket((chunk) => void written.push(chunk));
      const engine = createEngine({ ...DEFAULT_LIMITS, ...limits }, (_head, response) => ({
        onData() {},
        onEnd: () =>
          response.respond(
            encodeHeaderBlock({ ':status': 200, 'x-long': 'x'.repeat(16_000) }),
            true,
          ),
        onClose() {},
      }));
      engine.accept(socket);
      socket.deliver(Buffer.concat([PREFACE, settings()]));
      await pass(1);
      socket.stall();
      let streamId = 1;
      socket.deliver(headers(1, GET).subarray(0, 12));
      while (!socket.isPaused()) {
        // The end of a frame and the beginning of the next one.
        socket.deliver(headers(streamId, GET).subarray(12));
        streamId += 2;
        socket.deliver(headers(streamId, GET).subarray(0, 12));
        await new Promise((resolve) => setImmediate(resolve));
      }
      return { socket, engine, written, rest: headers(streamId, GET).subarray(12), streamId };
    }

    /** The request that it had begun is answered once it reads again. */
    async function isAnswered({ written, socket, rest, streamId }: Stuck): Promise<void> {
      socket.flow();
      await pass(1);
      socket.deliver(rest);
      await pass(2);
      const bytes = Buffer.concat(written);
      const ids = new Set<number>();
      for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
        expect(bytes[at + 3]).not.toBe(7);
        if (bytes[at + 3] === 1) ids.add(bytes.readUInt32BE(at + 5));
      }
      expect(ids.has(streamId)).toBe(true);
    }

    it.each([15, 200])('are not blamed for what we did not read in %d seconds', async (seconds) => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
      try {
        const stuck = await fillUp({ slowClientTimeoutMs: 0 });
        await pass(seconds);
        expect(stuck.engine.connectionCount).toBe(1);
        await isAnswered(stuck);
        stuck.engine.close();
      } finally {
        vi.useRealTimers();
      }
    });
  });

  it.each([
    ['their settings', ErrorCode.SETTINGS_TIMEOUT, [PREFACE]],
    ['a frame that they began', ErrorCode.ENHANCE_YOUR_CALM, [HELLO, Buffer.from([0, 0])]],
    ['a header block', ErrorCode.ENHANCE_YOUR_CALM, [HELLO, frame(1, 0, 1, [0x82])]],
    [
      'a header block, and begin a frame',
      ErrorCode.ENHANCE_YOUR_CALM,
      [HELLO, frame(1, 0, 1, [0x82]), Buffer.from([0, 0, 1, 9])],
    ],
  ])('that do not finish %s are turned away', async (_name, code, bytes) => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    try {
      const rig = createRig();
      const client = rig.connect(...bytes);
      await client.frame('SETTINGS', ({ type }) => type === 4);
      vi.advanceTimersByTime(9000);
      expect(goaways(client)).toEqual([]);
      vi.advanceTimersByTime(4000);
      expect((await client.failure()).code).toBe(code);
    } finally {
      vi.useRealTimers();
    }
  });
});
