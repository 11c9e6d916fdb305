/**
 * A gRPC server whose one method answers every request with the same bytes, on the engine that the first argument names
 * (`own`, `builtin`): what our transport costs, without what it is for. The second argument is the number of bytes, the
 * third the port.
 */
import { createServer } from 'node:net';
import { createDispatcher } from '../../src/grpc/dispatch.ts';
import { FRAME_HEADROOM } from '../../src/grpc/grpc-service.ts';
import { createBuiltinEngine } from '../../src/http2/builtin-engine.ts';
import { DEFAULT_LIMITS } from '../../src/http2/default-limits.ts';
import { createEngine } from '../../src/http2/engine.ts';

const [engineName = 'own', replyBytes = '100', port = '0'] = process.argv.slice(2);
const { listener } = createDispatcher({
  services: [
    {
      name: 'feast.serving.ServingService',
      methods: {
        GetOnlineFeatures: {
          kind: 'unary',
          // A buffer for each, as a real answer has; its prefix is written into it.
          call: () =>
            Promise.resolve(Buffer.allocUnsafe(FRAME_HEADROOM + Number(replyBytes)).fill(1)),
        },
      },
    },
  ],
  limits: { maxRequestBytes: 1 << 20, defaultDeadlineMs: 10_000, maxConcurrentRequests: 100_000 },
  observer: { inFlightCount: 0, receivedMessageCount: 0, sentMessageCount: 0, onCallEnd() {} },
});
const create = engineName === 'builtin' ? createBuiltinEngine : createEngine;
const engine = create(DEFAULT_LIMITS, listener);
const server = createServer({ noDelay: true }, (socket) => engine.accept(socket));
server.listen(Number(port), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
