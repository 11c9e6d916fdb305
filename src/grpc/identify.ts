import type { Authenticate, Caller } from '../call/access.ts';
import type { RequestBody } from '../http2/http2-engine.ts';
import { withoutRest } from '../http2/without-rest.ts';
import type { ServerCall } from './server-call.ts';

/**
 * Sets `call.caller`, or ends the call of somebody who has no right to it.
 *
 * @returns the caller to come where somebody has to be asked
 */
export function identify(
  call: ServerCall,
  authenticate: Authenticate,
): Promise<Caller> | undefined {
  try {
    const found = authenticate(call);
    if (found instanceof Promise) return found;
    call.caller = found;
  } catch (error) {
    call.fail(error);
  }
  return undefined;
}

/**
 * Keeps what a call brings until it is known who calls: no more than the stream's window, since no new one is given
 * meanwhile. A call that turns out to be nobody's ends without a look at it.
 *
 * @param open takes the call once `call.caller` is known
 */
export function awaitCaller(
  call: ServerCall,
  found: Promise<Caller>,
  open: () => RequestBody,
): RequestBody {
  const chunks: Uint8Array[] = [];
  let keptBytes = 0;
  let isEnded = false;
  let body: RequestBody | undefined;
  call.hold(true);
  const begin = (caller: Caller): void => {
    if (call.isOver) return;
    call.caller = caller;
    call.hold(false);
    // What is whole is dealt with now, and of the rest each body tells by itself.
    if (isEnded) call.release(0, 0);
    body = open();
    for (const chunk of chunks.splice(0)) body.onData(chunk);
    if (isEnded) body.onEnd();
  };
  found.then(begin).catch((error: unknown) => {
    chunks.length = 0;
    call.fail(error);
  });
  return {
    onData(chunk): void {
      if (body !== undefined) body.onData(chunk);
      else if (!call.isOver) {
        chunks.push(withoutRest(chunk));
        keptBytes += chunk.length;
        call.release(keptBytes, chunks.length);
      }
    },
    onEnd(): void {
      isEnded = true;
      body?.onEnd();
    },
    onClose(): void {
      chunks.length = 0;
      if (body === undefined) call.close();
      else body.onClose();
    },
  };
}
