import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { createAdmissionGate } from '../../src/admission/admission-gate.ts';
import { Entrance } from '../../src/call/entrance.ts';
import { Exchange, runAdmitted } from '../../src/http/http-call.ts';

test('who went away before it asked to be let in does not wait for its turn', async () => {
  const gate = createAdmissionGate(
    {
      latencyMs: 1000,
      minRequests: 1000,
      maxRequests: 1000,
      maxWaitingBytes: 1000,
      busyMs: () => 0,
      later: () => undefined,
    },
    performance.now(),
  );
  const observer = { inFlightCount: 0, onCallEnd: () => undefined };
  const entrance = new Entrance({ maxConcurrentRequests: 1000, gate, observer });
  const { promise: call, resolve: arrived } = Promise.withResolvers<Exchange>();
  const server = createServer((request, response) => {
    const statusOf = (): { code: number; message: string } => ({ code: 1, message: '' });
    arrived(new Exchange(request, response, '/', { defaultDeadlineMs: 0, observer, statusOf }));
  });
  server.listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const caller = get({ host: '127.0.0.1', port }).on('error', () => undefined);
    const gone = await call;
    caller.destroy();
    await expect.poll(() => gone.signal.aborted).toBe(true);
    let workCount = 0;
    const work = async (): Promise<void> => {
      workCount += 1;
    };
    const asked = { call: gone, admission: 'measured', messageBytes: 1, work } as const;
    await expect(runAdmitted(entrance, asked)).rejects.toMatchObject({ code: 'CANCELLED' });
    expect([workCount, gate.waitingCount, observer.inFlightCount]).toEqual([0, 0, 0]);
  } finally {
    server.close();
  }
});
