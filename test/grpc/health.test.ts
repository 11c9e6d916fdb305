import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthCheckResponseSchema,
  HealthListResponseSchema,
} from '../../gen/grpc/health/v1/health_pb.ts';
import { CallerAbort } from '../../src/call/caller-signal.ts';
import { FRAME_HEADROOM, type CallContext } from '../../src/grpc/grpc-service.ts';
import { createHealthService, createHealthState, type HealthState } from '../../src/grpc/health.ts';

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = ServingStatus;

let state: HealthState;
/** Those who hear of changes. */
let listenerCount: number;

beforeEach(() => {
  listenerCount = 0;
  const real = createHealthState(['shop.Shop']);
  state = {
    ...real,
    onChange(listener) {
      listenerCount += 1;
      const stop = real.onChange(listener);
      return () => {
        listenerCount -= 1;
        stop();
      };
    },
  };
});

const asking = (service: string): Uint8Array =>
  toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service }));

function watch(service: string) {
  const method = createHealthService(state).methods['Watch']!;
  if (method.kind !== 'streaming') throw new Error('Watch streams');
  const signal = new CallerAbort();
  const seen: ServingStatus[] = [];
  const call = method.open({ signal } as Partial<CallContext> as CallContext, {
    open: () => {},
    send: (bytes) => seen.push(fromBinary(HealthCheckResponseSchema, bytes).status),
    hold: () => {},
    end: () => {
      throw new Error('a watch does not end by itself');
    },
  });
  call.onMessage(asking(service));
  call.onEnd();
  return { seen, hangUp: () => signal.abort() };
}

async function ask(name: 'Check' | 'List', request: Uint8Array): Promise<Uint8Array> {
  const method = createHealthService(state).methods[name]!;
  if (method.kind !== 'unary') throw new Error(`${name} is unary`);
  const framed = await method.call(request, {} as CallContext);
  return framed.subarray(FRAME_HEADROOM);
}

describe('who watches', () => {
  it.each(['', 'shop.Shop', 'grpc.health.v1.Health'])(
    '%j hears its state at once, then every change once',
    (service) => {
      const { seen } = watch(service);
      expect(seen).toEqual([NOT_SERVING]);
      state.setServing(true);
      state.setServing(true);
      state.setServing(false);
      expect(seen).toEqual([NOT_SERVING, SERVING, NOT_SERVING]);
    },
  );

  it('a service that is not known hears so, once, and may go on watching', () => {
    const { seen } = watch('shop.Nothing');
    state.setServing(true);
    expect(seen).toEqual([SERVICE_UNKNOWN]);
    expect(listenerCount).toBe(1);
  });

  it('leaves nothing behind', () => {
    const watches = Array.from({ length: 100 }, () => watch(''));
    expect(listenerCount).toBe(100);
    for (const { hangUp } of watches) hangUp();
    expect(listenerCount).toBe(0);
  });
});

it('whoever asks once is told of the server, of a service, and of what is not known', async () => {
  state.setServing(true);
  for (const service of ['', 'shop.Shop', 'grpc.health.v1.Health']) {
    const { status } = fromBinary(HealthCheckResponseSchema, await ask('Check', asking(service)));
    expect(status).toBe(SERVING);
  }
  await expect(async () => ask('Check', asking('shop.Nothing'))).rejects.toMatchObject({ code: 5 });
});

it('whoever wants to know of all services is told', async () => {
  const { statuses } = fromBinary(HealthListResponseSchema, await ask('List', new Uint8Array()));
  expect(Object.entries(statuses).map(([name, { status }]) => [name, status])).toEqual([
    ['', NOT_SERVING],
    ['shop.Shop', NOT_SERVING],
    ['grpc.health.v1.Health', NOT_SERVING],
  ]);
});
