import { describe, expect, it, vi } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import { ErrorCode } from '../../src/http2/frame.ts';
import type { EngineLimits } from '../../src/http2/http2-engine.ts';
import {
  data,
  END_HEADERS,
  frame,
  GET,
  headers,
  HELLO,
  integer,
  PADDED,
  ping,
  plainBlock,
  plainString,
  POST,
  PREFACE,
  resetStream,
  settings,
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
  socketPair,
} from './raw-client.ts';

// They take milliseconds, but the machine may be busy.
vi.setConfig({ testTimeout: 30_000 });

const CALM = ErrorCode.ENHANCE_YOUR_CALM;
const INITIAL_WINDOW_SIZE = 4;
const MIB = 1024 * 1024;
const VICTIM = POST.map(([name, value]) => [name, name === ':path' ? '/victim' : value] as const);

/** A victim whose requests have to be answered whatever others do, and an attacker. */
interface Scene {
  readonly rig: Rig;
  readonly attacker: RawClient;
  /** Asks once on the victim's connection, which was opened first. */
  askVictim(): Promise<void>;
}

function createScene(
  limits: Partial<EngineLimits> = {},
  onEnd?: (request: SeenRequest) => void,
): Scene {
  const rig = createRig(limits, (request) => {
    if (onEnd === undefined || request.head.path === '/victim') echo(request);
    else onEnd(request);
  });
  const victim = rig.connect();
  let streamId = -1;
  return {
    rig,
    attacker: rig.connect(),
    async askVictim(): Promise<void> {
      streamId += 2;
      victim.send(headers(streamId, VICTIM, 0), data(streamId, 'ask'));
      await victim.fields(streamId, 2);
      expect(victim.body(streamId).toString()).toBe('ask');
    },
  };
}

/** Points that an engine made at that time may have given back since: it does once a second, one for each millisecond. */
function earnedSince(createdAtMs: number): number {
  const elapsedMs = performance.now() - createdAtMs;
  return elapsedMs < 1000 ? 0 : Math.ceil(elapsedMs);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Sends piece after piece, as fast as they are taken, until the server hangs up. Returns how many there were. */
async function flood(
  { attacker, askVictim }: Scene,
  piece: (index: number) => Buffer,
  most = 50_000,
): Promise<number> {
  let count = 0;
  while (count < most && !attacker.isEnded) {
    attacker.send(...Array.from({ length: 100 }, (_, i) => piece(count + i)));
    count += 100;
    await turn();
    if (count % 2000 === 0) await askVictim();
  }
  await askVictim();
  return count;
}

describe('a flood ends in ENHANCE_YOUR_CALM and hurts nobody else:', () => {
  const stream = (index: number): number => 2 * index + 1;

  it.each<[string, number, (index: number) => Buffer]>([
    [
      'rapid reset',
      1100,
      (i) => Buffer.concat([headers(stream(i), POST, 0), resetStream(stream(i))]),
    ],
    [
      'rapid reset of whole requests',
      1100,
      (i) => Buffer.concat([headers(stream(i), GET), resetStream(stream(i))]),
    ],
    ['malformed requests', 1100, (i) => headers(stream(i), [...GET, ['X-A', '1']])],
    [
      'requests that are made to fail by a window',
      1100,
      (i) => Buffer.concat([headers(stream(i), POST, 0), windowUpdate(stream(i), 0)]),
    ],
    [
      'requests with headers over the limit',
      1100,
      (i) => headers(stream(i), [...GET, ['x-a', 'x'.repeat(16_250)]]),
    ],
    ['SETTINGS', 1100, () => settings()],
    ['SETTINGS that change windows', 1100, (i) => settings([INITIAL_WINDOW_SIZE, i % 2])],
    ['acknowledgements of SETTINGS', 10_100, () => frame(4, 1, 0)],
    ['PING', 100, () => ping()],
    ['answers to no PING', 10_100, () => ping('pingping', 1)],
    ['PRIORITY', 10_100, (i) => frame(2, 0, stream(i), [0, 0, 0, 0, 1])],
    ['WINDOW_UPDATE of the connection', 10_100, () => windowUpdate(0, 1)],
    ['frames of unknown types', 10_100, (i) => frame(100 + (i % 100), 0, 0, [1])],
    ['GOAWAY', 1100, () => frame(7, 0, 0, Buffer.alloc(8))],
  ])('%s', async (_name, most, piece) => {
    const createdAtMs = performance.now();
    const scene = createScene({}, () => {});
    // Keeps GOAWAY of the client from closing the connection.
    scene.attacker.send(headers(1, POST, 0));
    const offset = piece(0).readUInt32BE(5) === 1 ? 1 : 0;
    const count = await flood(scene, (i) => piece(i + offset));
    expect((await scene.attacker.failure()).code).toBe(CALM);
    expect(count).toBeLessThanOrEqual(most + 100 + earnedSince(createdAtMs));
    expect(scene.rig.requests.length).toBeLessThan(1200);
  });

  it.each<[string, Buffer]>([
    ['empty DATA', data(1, '', 0)],
    ['DATA of padding alone', frame(0, PADDED, 1, Buffer.from([200, ...Buffer.alloc(200)]))],
    ['windows of a stream', windowUpdate(1, 1)],
  ])('%s', async (_name, piece) => {
    const createdAtMs = performance.now();
    const scene = createScene({}, () => {});
    scene.attacker.send(headers(1, POST, 0));
    const count = await flood(scene, () => piece);
    expect((await scene.attacker.failure()).code).toBe(CALM);
    expect(count).toBeLessThanOrEqual(10_200 + earnedSince(createdAtMs));
  });

  it.each<[string, Buffer]>([
    ['RST_STREAM', resetStream(1)],
    ['windows', windowUpdate(1, 1)],
  ])('%s for a stream that is over', async (_name, piece) => {
    const createdAtMs = performance.now();
    const scene = createScene({}, () => {});
    scene.attacker.send(headers(1, POST, 0), resetStream(1));
    const count = await flood(scene, () => piece);
    expect((await scene.attacker.failure()).code).toBe(CALM);
    expect(count).toBeLessThanOrEqual(10_200 + earnedSince(createdAtMs));
  });

  it('DATA for a stream that was reset', async () => {
    const scene = createScene({}, () => {});
    scene.attacker.send(headers(1, POST, 0));
    await eventually(() => expect(scene.rig.requests).toHaveLength(1));
    scene.rig.requests[0]!.response.reset(ErrorCode.CANCEL);
    await flood(scene, () => data(1, 'x', 0));
    expect((await scene.attacker.failure()).code).toBe(CALM);
  });

  it.each<[string, Buffer]>([
    [
      'with bytes',
      frame(
        9,
        0,
        1,
        Buffer.concat([Buffer.from([0]), plainString('x-a'), plainString('y'.repeat(100))]),
      ),
    ],
    ['without', frame(9, 0, 1)],
  ])('CONTINUATION without end, %s', async (_name, piece) => {
    const createdAtMs = performance.now();
    const scene = createScene();
    scene.attacker.send(frame(1, 0, 1, plainBlock(GET)));
    const count = await flood(scene, () => piece);
    expect((await scene.attacker.failure()).code).toBe(CALM);
    expect(count).toBeLessThanOrEqual(10_200 + earnedSince(createdAtMs));
    expect(scene.rig.requests.every(({ head }) => head.path === '/victim')).toBe(true);
  });

  it('streams beyond the limit', async () => {
    const scene = createScene({ maxConcurrentStreams: 10 }, () => {});
    const count = await flood(scene, (i) => headers(2 * i + 1, GET));
    expect((await scene.attacker.failure()).code).toBe(CALM);
    expect(count).toBeLessThanOrEqual(1200);
    expect(await scene.attacker.resetCode(21)).toBe(ErrorCode.REFUSED_STREAM);
  });

  it('mixtures: nothing is too little to be counted', async () => {
    const scene = createScene({}, () => {});
    const count = await flood(scene, (i) =>
      Buffer.concat([
        windowUpdate(0, 1),
        frame(50, 0, 0),
        settings(),
        headers(2 * i + 1, GET),
        resetStream(2 * i + 1),
      ]),
    );
    expect((await scene.attacker.failure()).code).toBe(CALM);
    expect(count).toBeLessThan(600);
  });
});

describe('a client that does its work is not taken for a flood:', () => {
  it('20,000 calls, each with windows, and a tenth of them cancelled', async () => {
    const rig = createRig();
    const client = rig.connect();
    let id = -1;
    for (let i = 0; i < 20_000; i++) {
      id += 2;
      client.send(headers(id, POST, 0), data(id, 'x'), windowUpdate(0, 5), windowUpdate(id, 5));
      if (i % 10 === 0) client.send(headers((id += 2), POST, 0), resetStream(id));
      if (i % 100 === 0) await turn();
    }
    await client.fields(id, 2);
    expect(client.isEnded).toBe(false);
  });

  it('large answers, whose windows are opened every 4 KiB as Go does', async () => {
    const answer = Buffer.alloc(100 * 1024);
    const rig = createRig({}, ({ response }) => response.reply(OK_HEADERS, answer, OK_TRAILERS));
    const client = rig.connect(HELLO, windowUpdate(0, MIB));
    const read = Buffer.concat([windowUpdate(0, 4096), windowUpdate(1, 4096)]);
    for (let i = 0; i < 600; i++) {
      const id = 2 * i + 1;
      client.send(headers(id, GET));
      read.writeUInt32BE(id, 18);
      for (let piece = 0; piece < 25; piece++) client.send(read);
      await turn();
    }
    await eventually(() => expect(client.body(1199)).toHaveLength(answer.length));
    expect(client.isEnded).toBe(false);
  });

  it('a thousand deadlines that pass together', async () => {
    const rig = createRig({}, () => {});
    const client = rig.connect();
    for (let i = 0; i < 1000; i++) client.send(headers(2 * i + 1, GET));
    for (let i = 0; i < 1000; i++) client.send(resetStream(2 * i + 1));
    await eventually(() =>
      expect(rig.requests.filter((each) => each.closeCount === 1)).toHaveLength(1000),
    );
    expect(client.isEnded).toBe(false);
  });
});

describe('header blocks', () => {
  it('that unfold to megabytes are not unfolded', async () => {
    const scene = createScene({}, () => {});
    const bomb = Buffer.concat([
      Buffer.from([0x40]),
      plainString('x-bomb'),
      plainString('x'.repeat(4000)),
    ]);
    const block = Buffer.concat([plainBlock(GET), bomb, Buffer.alloc(12_000, 0xbe)]);
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 500; i++) scene.attacker.send(frame(1, END_HEADERS | 1, 2 * i + 1, block));
    expect(await scene.attacker.resetCode(1)).toBe(CALM);
    // 48 MB each, if it were done.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 * MIB);
    await scene.askVictim();
    expect(scene.rig.requests.every(({ head }) => head.path === '/victim')).toBe(true);
  });

  it('over the limit reset their request, and the next one finds the table as it is', async () => {
    const scene = createScene();
    const add = (name: string): Buffer =>
      Buffer.concat([Buffer.from([0x40]), plainString(name), plainString('1')]);
    scene.attacker.send(
      frame(
        1,
        END_HEADERS | 1,
        1,
        Buffer.concat([plainBlock([...GET, ['x-a', 'x'.repeat(16_250)]]), add('x-b')]),
      ),
      frame(1, END_HEADERS | 1, 3, Buffer.concat([plainBlock(GET), Buffer.from([0xbe])])),
    );
    expect(await scene.attacker.resetCode(1)).toBe(CALM);
    await scene.attacker.fields(3);
    expect(scene.rig.requests[0]!.head.header('x-b')).toBe('1');
  });

  it('that play with the size of the table are harmless or refused', async () => {
    const scene = createScene();
    const resize = (bytes: number): Buffer => integer(0x20, 5, bytes);
    for (let i = 0; i < 500; i++) {
      const block = Buffer.concat([resize(0), resize(4096), plainBlock(GET)]);
      scene.attacker.send(frame(1, END_HEADERS | 1, 2 * i + 1, block));
    }
    await scene.attacker.fields(999);
    scene.attacker.send(
      frame(1, END_HEADERS | 1, 1001, Buffer.concat([resize(4097), plainBlock(GET)])),
    );
    expect((await scene.attacker.failure()).code).toBe(ErrorCode.COMPRESSION_ERROR);
    await scene.askVictim();
  });
});

describe('clients that ask and do not read', () => {
  const BODY = Buffer.alloc(MIB, 1);
  const answer = ({ response }: SeenRequest): void => response.reply(OK_HEADERS, BODY, OK_TRAILERS);

  it('are held to what one may have queued', async () => {
    const scene = createScene({ maxQueuedBytes: 8 * MIB }, answer);
    for (let i = 0; i < 100; i++) scene.attacker.send(headers(2 * i + 1, GET));
    await scene.askVictim();
    expect(scene.rig.engine.queuedBytes).toBeLessThanOrEqual(8 * MIB);
    const codes = scene.attacker.frames
      .filter(({ type }) => type === 3)
      .map(({ payload }) => payload.readUInt32BE(0));
    expect(codes.length).toBeGreaterThanOrEqual(90);
    expect(codes.every((code) => code === CALM || code === ErrorCode.REFUSED_STREAM)).toBe(true);
    // What was queued is not lost.
    scene.attacker.send(windowUpdate(0, 100 * MIB), windowUpdate(1, MIB));
    await scene.attacker.fields(1, 2);
    expect(scene.attacker.body(1)).toEqual(BODY);
  });

  it('have new requests refused while one answer alone is more than that', async () => {
    const { rig, attacker } = createScene({ maxQueuedBytes: MIB / 2 }, answer);
    attacker.send(headers(1, GET));
    await eventually(() => expect(rig.engine.queuedBytes).toBeGreaterThan(MIB / 2));
    attacker.send(headers(3, GET));
    // They lose nothing by asking again: nobody has looked at it.
    expect(await attacker.resetCode(3)).toBe(ErrorCode.REFUSED_STREAM);
    expect(rig.requests).toHaveLength(1);
    attacker.send(windowUpdate(0, 100 * MIB), windowUpdate(1, MIB));
    await attacker.fields(1, 2);
    attacker.send(headers(5, GET), windowUpdate(5, MIB));
    await attacker.fields(5, 2);
  });

  it('are cut when all together hold too much, the worst first', async () => {
    const limits = { maxQueuedBytes: 8 * MIB, maxQueuedBytesTotal: 20 * MIB };
    const scene = createScene(limits, answer);
    const modest = scene.rig.connect();
    modest.send(headers(1, GET), headers(3, GET));
    const greedy = Array.from({ length: 20 }, () => scene.rig.connect());
    for (const client of greedy) {
      for (let i = 0; i < 8; i++) client.send(headers(2 * i + 1, GET));
      await turn();
      expect(scene.rig.engine.queuedBytes).toBeLessThanOrEqual(20 * MIB);
    }
    expect(greedy.filter((client) => client.isEnded).length).toBeGreaterThanOrEqual(17);
    expect(modest.isEnded).toBe(false);
    await scene.askVictim();
  });

  it('do not make us keep what we send in one-byte windows', async () => {
    const scene = createScene({ maxQueuedBytes: 4 * MIB }, answer);
    const client = scene.rig.connect(PREFACE, settings([INITIAL_WINDOW_SIZE, 1]));
    for (let i = 0; i < 50; i++) client.send(headers(2 * i + 1, GET));
    for (let i = 0; i < 9000; i++) client.send(windowUpdate(1, 1));
    await scene.askVictim();
    expect(scene.rig.engine.queuedBytes).toBeLessThanOrEqual(4 * MIB);
    await flood({ ...scene, attacker: client }, () => windowUpdate(1, 1));
    expect((await client.failure()).code).toBe(CALM);
    await eventually(() => expect(scene.rig.engine.queuedBytes).toBe(0));
  });

  it('are not read from while their socket is full', async () => {
    const scene = createScene({}, answer);
    const { attacker } = scene;
    attacker.send(settings([INITIAL_WINDOW_SIZE, 2 ** 30]), windowUpdate(0, 2 ** 30));
    attacker.socket.pause();
    for (let i = 0; i < 300; i++) {
      attacker.send(headers(2 * i + 1, GET));
      await turn();
    }
    await scene.askVictim();
    // What waits is bounded by what one client may have queued; what is in the socket by a mebibyte.
    expect(scene.rig.engine.queuedBytes).toBeLessThanOrEqual(256 * MIB);
    attacker.socket.resume();
    await eventually(() =>
      expect(attacker.frames.some(({ streamId }) => streamId === 599)).toBe(true),
    );
  });
});

describe('requests that are begun and not ended', () => {
  const KIB = 1024;
  const part = (streamId: number): Buffer => data(streamId, Buffer.alloc(16 * KIB, 1), 0);

  it('are held to what one client may have waiting', async () => {
    const scene = createScene({ maxQueuedBytes: 4 * MIB });
    const { attacker, rig } = scene;
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 100; i++) {
        const id = 2 * i + 1;
        attacker.send(...(round === 0 ? [headers(id, POST, 0)] : []), part(id));
        expect(rig.engine.queuedBytes).toBeLessThanOrEqual(4 * MIB + 17 * KIB);
      }
      await turn();
    }
    // The victim has its turn before all that has been read.
    await scene.askVictim();
    attacker.send(ping());
    await eventually(() => expect(attacker.frames.some(({ type }) => type === 6)).toBe(true));
    const resets = attacker.frames.filter(({ type }) => type === 3);
    expect(resets.length).toBeGreaterThan(0);
    expect(resets.every(({ payload }) => payload.readUInt32BE(0) === CALM)).toBe(true);
    // One that was not reset can be ended, and is answered.
    const left = Array.from({ length: 100 }, (_, i) => 2 * i + 1).filter(
      (id) => !resets.some(({ streamId }) => streamId === id),
    );
    expect(left.length).toBeGreaterThan(0);
    attacker.send(data(left[0]!, 'end'), windowUpdate(0, MIB), windowUpdate(left[0]!, MIB));
    await attacker.fields(left[0]!, 2);
    expect(attacker.body(left[0]!)).toHaveLength(10 * 16 * KIB + 3);
    attacker.socket.destroy();
    await eventually(() => expect(rig.engine.queuedBytes).toBe(0));
  });

  it('count for more than their content when they come in crumbs', async () => {
    const scene = createScene({ maxQueuedBytes: MIB }, () => {});
    scene.attacker.send(headers(1, POST, 0));
    for (let i = 0; i < 6000; i++) scene.attacker.send(data(1, 'x', 0));
    expect(await scene.attacker.resetCode(1)).toBe(CALM);
    await scene.askVictim();
    expect(scene.rig.engine.queuedBytes).toBe(0);
  });

  it('do not keep the buffer that they came in', async () => {
    const kept: Uint8Array[] = [];
    const engine = createEngine(DEFAULT_LIMITS, () => ({
      onData: (chunk) => void kept.push(chunk),
      onEnd() {},
      onClose() {},
    }));
    const [ours, theirs] = socketPair();
    engine.accept(theirs);
    const rest = data(3, Buffer.alloc(10_000));
    ours.write(
      Buffer.concat([HELLO, headers(1, POST, 0), headers(3, POST, 0), data(1, 'x', 0), rest]),
    );
    await eventually(() => expect(kept).toHaveLength(2));
    expect(kept[0]).toEqual(Uint8Array.of(120));
    expect(kept[0]!.buffer.byteLength).toBe(1);
    ours.destroy();
  });

  it('are cut when all together hold too much, the worst first', async () => {
    const scene = createScene({ maxQueuedBytes: 4 * MIB, maxQueuedBytesTotal: 6 * MIB }, () => {});
    const modest = scene.rig.connect();
    modest.send(headers(1, POST, 0), part(1));
    const greedy = Array.from({ length: 5 }, () => scene.rig.connect());
    for (const client of greedy) {
      client.send(headers(1, POST, 0), ...Array.from({ length: 200 }, () => part(1)));
      await turn();
      expect(scene.rig.engine.queuedBytes).toBeLessThanOrEqual(6 * MIB);
    }
    await scene.askVictim();
    expect(greedy.filter((client) => client.isEnded).length).toBeGreaterThanOrEqual(3);
    expect(modest.isEnded).toBe(false);
  });

  it.each<[of: string, kept: [] | [bytes: number, pieces: number], counted: number]>([
    ['all of', [], 0],
    ['all but the last of', [100, 2], 500],
  ])('may go on for ever where the application lets go of %s it', async (_of, kept, counted) => {
    const rig = createRig({ maxQueuedBytes: MIB });
    const client = rig.connect();
    client.send(headers(1, POST, 0));
    await eventually(() => expect(rig.requests).toHaveLength(1));
    for (let i = 0; i < 200; i++) {
      client.send(part(1));
      await turn();
      rig.requests[0]!.response.release(...kept);
    }
    await eventually(() => expect(rig.requests[0]!.body).toHaveLength(200 * 16 * KIB));
    expect(rig.engine.queuedBytes).toBe(counted);
    client.socket.destroy();
    await eventually(() => expect(rig.engine.connectionCount).toBe(0));
    expect(rig.engine.queuedBytes).toBe(0);
  });
});

describe('whole requests that the application does not get to', () => {
  it('count among what the client makes us keep, if it says so, and are cut beyond that', async () => {
    const { attacker, rig } = createScene({ maxQueuedBytes: MIB }, ({ response }) =>
      response.release(16 * 1024, 1),
    );
    for (let i = 0; i < 100; i++) {
      attacker.send(headers(1 + 2 * i, POST, 0), data(1 + 2 * i, Buffer.alloc(16 * 1024)));
      await turn();
      expect(rig.engine.queuedBytes).toBeLessThanOrEqual(MIB + 17 * 1024);
    }
    expect(await attacker.resetCode(199)).toBe(CALM);
    expect(rig.engine.queuedBytes).toBeGreaterThan(MIB / 2);
    attacker.socket.destroy();
    await eventually(() => expect(rig.engine.queuedBytes).toBe(0));
    rig.requests[1]!.response.release(16 * 1024, 1);
    expect(rig.engine.queuedBytes).toBe(0);
  });
});

describe('bytes that come one at a time', () => {
  it('are put together at the cost of one frame', async () => {
    const scene = createScene();
    const bytes = Buffer.concat([headers(1, POST, 0), data(1, Buffer.alloc(3000, 1))]);
    for (const byte of bytes) scene.attacker.send(Buffer.from([byte]));
    await scene.attacker.fields(1, 2);
    expect(scene.attacker.body(1)).toHaveLength(3000);
  });

  it('by many clients at once, none of which finishes a frame, hurt nobody', async () => {
    const scene = createScene();
    const slow = Array.from({ length: 500 }, () =>
      scene.rig.connect(HELLO, Buffer.from([0, 0x40])),
    );
    await scene.askVictim();
    expect(scene.rig.engine.connectionCount).toBe(502);
    for (const client of slow) client.socket.destroy();
    await eventually(() => expect(scene.rig.engine.connectionCount).toBe(2));
  });
});
