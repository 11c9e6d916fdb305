import http2 from 'node:http2';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import * as grpc from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createDispatcher } from '../../src/grpc/dispatch.ts';
import { FRAME_HEADROOM, type CallContext, type GrpcService } from '../../src/grpc/grpc-service.ts';
import { createHealthService, createHealthState, type HealthState } from '../../src/grpc/health.ts';
import type { CallObserver } from '../../src/grpc/server-call.ts';
import { GrpcCode } from '../../src/grpc/status.ts';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';
import { openPort, type Port } from '../../src/port/port.ts';
import { openHttp2Call } from '../support/grpc-http2-call.ts';

/** A service whose answers depend on the request's first byte: what a dispatcher must cope with. */
interface Probe {
  readonly service: GrpcService;
  /** Calls that are waiting for `release`. */
  readonly waiting: CallContext[];
  release(): void;
}

function createProbe(): Probe {
  const waiting: CallContext[] = [];
  const releases: (() => void)[] = [];
  const framed = (message: Uint8Array): Uint8Array =>
    Buffer.concat([Buffer.alloc(FRAME_HEADROOM), message]);
  return {
    waiting,
    release: () => releases.splice(0).forEach((release) => release()),
    service: {
      name: 'probe.Probe',
      methods: {
        Echo: { kind: 'unary', call: (message) => Promise.resolve(framed(message)) },
        Metadata: {
          kind: 'unary',
          call: (message, call) =>
            Promise.resolve(framed(Buffer.from(call.metadata(message.toString()) ?? 'none'))),
        },
        Throw: {
          kind: 'unary',
          call: () => {
            throw new TypeError('not for the caller');
          },
        },
        Wait: {
          kind: 'unary',
          call: async (message, call) => {
            waiting.push(call);
            await new Promise<void>((resolve) => releases.push(resolve));
            return framed(message);
          },
        },
      },
    },
  };
}

describe('gRPC on a port', () => {
  let probe: Probe;
  let health: HealthState;
  let port: Port;
  let client: grpc.Client;
  let observer: CallObserver & { readonly ended: string[] };
  let endStreams: () => void;

  beforeEach(async () => {
    probe = createProbe();
    health = createHealthState(['probe.Probe']);
    const ended: string[] = [];
    observer = {
      ended,
      inFlightCount: 0,
      receivedMessageCount: 0,
      sentMessageCount: 0,
      onCallEnd: (call, status) => void ended.push(`${call.path} ${status.code}`),
    };
    const dispatcher = createDispatcher({
      services: [probe.service, createHealthService(health)],
      limits: { maxRequestBytes: 100_000, defaultDeadlineMs: 0, maxConcurrentRequests: 3 },
      observer,
    });
    endStreams = dispatcher.endStreams;
    const engine = createEngine(DEFAULT_LIMITS, dispatcher.listener);
    port = await openPort({
      host: '127.0.0.1',
      port: 0,
      engine,
      handler: (_request, response) => response.end('http'),
    });
    client = new grpc.Client(`127.0.0.1:${port.address.port}`, grpc.credentials.createInsecure());
  });

  afterEach(async () => {
    probe.release();
    client.close();
    await port.drain(200);
  });

  interface Answer {
    readonly code: number;
    readonly details: string;
    readonly message?: Buffer;
  }

  function call(
    path: string,
    message: Uint8Array,
    options: grpc.CallOptions = {},
  ): { answer: Promise<Answer>; call: grpc.ClientUnaryCall } {
    let started!: grpc.ClientUnaryCall;
    const answer = new Promise<Answer>((resolve) => {
      started = client.makeUnaryRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        Buffer.from(message),
        new grpc.Metadata(),
        options,
        (error, value) =>
          resolve(
            error
              ? { code: error.code, details: error.details }
              : { code: 0, details: '', message: value! },
          ),
      );
    });
    return { answer, call: started };
  }

  /** Sends a request as it stands and returns the fields of the answer's headers and trailers. */
  async function raw(
    headers: http2.OutgoingHttpHeaders,
    chunks: readonly Uint8Array[],
  ): Promise<http2.IncomingHttpHeaders> {
    const session = http2.connect(`http://127.0.0.1:${port.address.port}`);
    const { stream, answer } = openHttp2Call(session, '/probe.Probe/Echo', headers);
    for (const chunk of chunks) stream.write(chunk);
    stream.end();
    return await answer.finally(() => session.close());
  }

  it('answers, small and large', async () => {
    for (const size of [0, 1, 16_384, 99_999]) {
      const { message } = await call('/probe.Probe/Echo', Buffer.alloc(size, 7)).answer;
      expect(message).toHaveLength(size);
    }
  });

  it('answers HTTP/1.1 on the same port', async () => {
    const response = await fetch(`http://127.0.0.1:${port.address.port}/`);
    expect(await response.text()).toBe('http');
  });

  it('tells what it does not have', async () => {
    expect(await call('/probe.Probe/Nope', Buffer.alloc(0)).answer).toMatchObject({
      code: GrpcCode.UNIMPLEMENTED,
      details: 'unknown method /probe.Probe/Nope',
    });
    expect((await call('/nope.Nope/Nope', Buffer.alloc(0)).answer).details).toContain(
      'served here: probe.Probe',
    );
  });

  it('hides what is thrown by mistake', async () => {
    expect(await call('/probe.Probe/Throw', Buffer.alloc(0)).answer).toMatchObject({
      code: GrpcCode.INTERNAL,
      details: 'internal error',
    });
    expect(observer.inFlightCount).toBe(0);
  });

  it('refuses a request over the limit', async () => {
    expect(await call('/probe.Probe/Echo', Buffer.alloc(100_001)).answer).toMatchObject({
      code: GrpcCode.RESOURCE_EXHAUSTED,
    });
    expect((await call('/probe.Probe/Echo', Buffer.alloc(1)).answer).code).toBe(0);
  });

  it('ends a call at its deadline and tells the method', async () => {
    const { answer } = call('/probe.Probe/Wait', Buffer.alloc(0), { deadline: Date.now() + 100 });
    expect((await answer).code).toBe(GrpcCode.DEADLINE_EXCEEDED);
    await vi.waitFor(() => expect(probe.waiting[0]?.signal.aborted).toBe(true));
    expect(observer.ended).toHaveLength(1);
    expect(observer.inFlightCount).toBe(0);
  });

  it('tells the method when the caller cancels', async () => {
    const waiting = call('/probe.Probe/Wait', Buffer.alloc(0));
    await vi.waitFor(() => expect(probe.waiting).toHaveLength(1));
    waiting.call.cancel();
    expect((await waiting.answer).code).toBe(GrpcCode.CANCELLED);
    await vi.waitFor(() => expect(probe.waiting[0]?.signal.aborted).toBe(true));
    await vi.waitFor(() => expect(observer.inFlightCount).toBe(0));
    expect(observer.ended).toEqual(['/probe.Probe/Wait 1']);
  });

  it('refuses at once what is beyond the limit of concurrent requests', async () => {
    const waiting = [1, 2, 3].map(() => call('/probe.Probe/Wait', Buffer.alloc(0)));
    await vi.waitFor(() => expect(probe.waiting).toHaveLength(3));
    expect((await call('/probe.Probe/Echo', Buffer.alloc(0)).answer).code).toBe(
      GrpcCode.RESOURCE_EXHAUSTED,
    );
    probe.release();
    for (const each of waiting) expect((await each.answer).code).toBe(0);
    expect((await call('/probe.Probe/Echo', Buffer.alloc(0)).answer).code).toBe(0);
  });

  it('answers gzip with gzip', async () => {
    const packed = gzipSync(Buffer.alloc(50_000, 1));
    const body = Buffer.concat([Buffer.from([1, 0, 0, 0, 0]), packed]);
    body.writeUInt32BE(packed.length, 1);
    const fields = await raw({ 'grpc-encoding': 'gzip' }, [body]);
    expect(fields).toMatchObject({ 'grpc-status': '0', 'grpc-encoding': 'gzip' });
  });

  it.each([
    ['no message', {}, [], GrpcCode.UNIMPLEMENTED],
    ['a cut message', {}, [Buffer.from([0, 0, 0, 0, 9, 1])], GrpcCode.INTERNAL],
    ['a cut prefix', {}, [Buffer.from([0, 0])], GrpcCode.INTERNAL],
    ['two messages', {}, [Buffer.alloc(10)], GrpcCode.UNIMPLEMENTED],
    ['a bad flag', {}, [Buffer.from([9, 0, 0, 0, 0])], GrpcCode.INTERNAL],
    ['an unknown encoding', { 'grpc-encoding': 'br' }, [Buffer.alloc(5)], GrpcCode.UNIMPLEMENTED],
    ['a bad timeout', { 'grpc-timeout': 'soon' }, [Buffer.alloc(5)], GrpcCode.INTERNAL],
  ] as const)('refuses %s and stays up', async (_name, headers, chunks, code) => {
    const fields = await raw(headers, chunks);
    expect(fields['grpc-status']).toBe(String(code));
    expect((await call('/probe.Probe/Echo', Buffer.alloc(3)).answer).message).toHaveLength(3);
  });

  it('hands binary metadata on as it came: base64, several values joined', async () => {
    const everyByte = Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => i));
    const values = [everyByte, Buffer.from([0]), Buffer.alloc(0), Buffer.alloc(3000, 0xff)];
    const metadata = new grpc.Metadata();
    for (const value of values) metadata.add('x-key-bin', value);
    metadata.set('x-text', 'not binary');
    const asked = (name: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const asIs = (bytes: Buffer): Buffer => bytes;
        client.makeUnaryRequest(
          '/probe.Probe/Metadata',
          asIs,
          asIs,
          Buffer.from(name),
          metadata,
          (error, value) => (error ? reject(error) : resolve(value!.toString())),
        );
      });
    // More than once: the second time the head comes from the cache of heads.
    for (let i = 0; i < 3; i++) {
      const seen = (await asked('x-key-bin')).split(/, ?/);
      expect(seen.map((text) => Buffer.from(text, 'base64'))).toEqual(values);
      expect(await asked('x-text')).toBe('not binary');
      expect(await asked('x-other-bin')).toBe('none');
    }
  });

  it('takes binary metadata with padding, and what is not base64, as text', async () => {
    for (const value of ['AAE=', 'AAE', '!no base64!']) {
      const fields = await raw({ 'x-key-bin': value }, [Buffer.from([0, 0, 0, 0, 0])]);
      expect(fields).toMatchObject({ 'grpc-status': '0' });
    }
  });

  it('answers what is not gRPC with an HTTP status', async () => {
    expect((await raw({ 'content-type': 'application/json' }, []))[':status']).toBe(415);
    expect((await raw({ 'content-type': 'application/grpcx' }, []))[':status']).toBe(415);
    expect((await raw({ ':method': 'GET' }, []))[':status']).toBe(405);
  });

  it.each(['application/grpc', 'application/grpc+proto', 'application/grpc;charset=utf-8'])(
    'takes messages of %s',
    async (type) => {
      const fields = await raw({ 'content-type': type }, [Buffer.from([0, 0, 0, 0, 0])]);
      expect([fields[':status'], fields['grpc-status']]).toEqual([200, '0']);
    },
  );

  it.each(['application/grpc+json', 'application/grpc+thrift', 'application/grpcs'])(
    'refuses messages of %s',
    async (type) => {
      const fields = await raw({ 'content-type': type }, [Buffer.from([0, 0, 0, 0, 0])]);
      expect(fields[':status']).toBe(415);
    },
  );

  it.each([0, 2])('refuses %i requests where one is taken, also of a stream', async (count) => {
    const message = Buffer.from([0, 0, 0, 0, 0]);
    for (const path of ['/probe.Probe/Echo', '/grpc.health.v1.Health/Watch']) {
      const fields = await raw({ ':path': path }, Array<Uint8Array>(count).fill(message));
      expect(fields).toMatchObject({
        'grpc-status': String(GrpcCode.UNIMPLEMENTED),
        'grpc-message': `${path} takes one request message`,
      });
    }
  });

  it('survives bytes that are no protocol at all', async () => {
    for (const garbage of [
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff',
      'PRI * HTTP/9',
      '\0\0\0',
      'GET\r\n\r\n',
    ]) {
      const socket = connect(port.address.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(Buffer.from(garbage, 'latin1'));
      await delay(10);
      socket.destroy();
    }
    expect((await call('/probe.Probe/Echo', Buffer.alloc(3)).answer).code).toBe(0);
  });

  it('watches health per service, and ends the watch when the server stops', async () => {
    const seen: number[] = [];
    const ended = new Promise<number>((resolve) => {
      const watch = client.makeServerStreamRequest(
        '/grpc.health.v1.Health/Watch',
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        Buffer.from([10, 11, ...Buffer.from('probe.Probe')]),
      );
      watch.on('data', (bytes: Buffer) => seen.push(bytes[1]!));
      watch.on('error', (error: grpc.ServiceError) => resolve(error.code));
    });
    await vi.waitFor(() => expect(seen).toEqual([2]));
    health.setServing(true);
    await vi.waitFor(() => expect(seen).toEqual([2, 1]));
    health.setServing(false);
    await vi.waitFor(() => expect(seen).toEqual([2, 1, 2]));
    endStreams();
    expect(await ended).toBe(GrpcCode.UNAVAILABLE);
  });

  it('drains: what had arrived is answered, what comes later is refused, nothing is cut', async () => {
    const waiting = [1, 2].map((each) => call('/probe.Probe/Wait', Buffer.alloc(each)));
    await vi.waitFor(() => expect(probe.waiting).toHaveLength(2));
    const drained = port.drain(5000);
    await delay(50);
    probe.release();
    for (const [i, each] of waiting.entries())
      expect((await each.answer).message).toHaveLength(i + 1);
    expect(await drained).toBe(0);
    expect((await call('/probe.Probe/Echo', Buffer.alloc(0)).answer).code).toBe(
      GrpcCode.UNAVAILABLE,
    );
  });

  it('cuts what is not done in time', async () => {
    const { answer } = call('/probe.Probe/Wait', Buffer.alloc(0));
    await vi.waitFor(() => expect(probe.waiting).toHaveLength(1));
    expect(await port.drain(100)).toBe(1);
    expect((await answer).code).toBe(GrpcCode.UNAVAILABLE);
  });
});
