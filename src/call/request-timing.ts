import { SideboardError } from '../errors.ts';
import type { NodeRead } from '../online-store/online-store.ts';
import type { RequestTrace } from './request-trace.ts';

/** Request metadata (gRPC) or header: `true` asks where the time of this request went. */
export const REQUEST_TIMING = 'sideboard-timing';

/** Trailer (gRPC) or response header that says it (https://www.w3.org/TR/server-timing/). */
export const SERVER_TIMING = 'server-timing';

/** When a request went from one stage to the next, on the clock of `performance.now()`. Made only for those who ask, and for traces. */
export class RequestTiming {
  /** The head of the request was read. */
  readonly startedAtMs: number;
  /** Its message was complete, and it was let in. -1 here and below: it did not come so far. */
  readonly beganAtMs: number = performance.now();
  /** It was known what to read. */
  plannedAtMs = -1;
  /** The store had answered. */
  storedAtMs = -1;
  /** The answer was written. */
  assembledAtMs = -1;
  /** Size of the answer's message. */
  responseBytes = -1;
  /** Takes what each node of the store did; `undefined` = nobody wants to know. */
  readonly onNodeRead: ((read: NodeRead) => void) | undefined;

  constructor(startedAtMs: number, onNodeRead?: (read: NodeRead) => void) {
    this.startedAtMs = startedAtMs;
    this.onNodeRead = onNodeRead;
  }

  planned(): void {
    this.plannedAtMs = performance.now();
  }

  stored(): void {
    this.storedAtMs = performance.now();
  }

  assembled(responseBytes: number): void {
    this.assembledAtMs = performance.now();
    this.responseBytes = responseBytes;
  }

  /** The stages that the request went through, milliseconds each, and the size of its answer, as `SERVER_TIMING` has them. */
  toString(): string {
    const { beganAtMs, plannedAtMs, storedAtMs, assembledAtMs } = this;
    const parts = [`queue;dur=${milliseconds(beganAtMs - this.startedAtMs)}`];
    if (plannedAtMs >= 0) parts.push(`plan;dur=${milliseconds(plannedAtMs - beganAtMs)}`);
    if (storedAtMs >= 0) parts.push(`store;dur=${milliseconds(storedAtMs - plannedAtMs)}`);
    if (assembledAtMs >= 0) {
      parts.push(`assemble;dur=${milliseconds(assembledAtMs - storedAtMs)}`);
      parts.push(`bytes;desc="${this.responseBytes}"`);
    }
    return parts.join(', ');
  }
}

/**
 * The timing of a request whose message is complete, if it asks for it or is traced. `call.timing` is what its answer says.
 *
 * @throws SideboardError INVALID_REQUEST for anything but `true` and `false`
 */
export function startTiming(call: {
  readonly startedAtMs: number;
  readonly trace: RequestTrace | undefined;
  timing: RequestTiming | undefined;
  metadata(name: string): string | undefined;
}): RequestTiming | undefined {
  const asked = call.metadata(REQUEST_TIMING);
  const traced = call.trace?.timing;
  if (asked === undefined || asked === 'false') return traced;
  if (asked !== 'true') {
    throw new SideboardError('INVALID_REQUEST', `${REQUEST_TIMING} takes true or false`);
  }
  call.timing = traced ?? new RequestTiming(call.startedAtMs);
  return call.timing;
}

function milliseconds(value: number): string {
  return value.toFixed(3);
}
