import type { CallObserver } from '../../src/grpc/server-call.ts';
import type { RequestHead, ResponseStream } from '../../src/http2/http2-engine.ts';

/** The head of a call of gRPC that brings these fields. */
export function headOfCall(
  path: string,
  fields: Readonly<Record<string, string>> = {},
): RequestHead {
  const all: Readonly<Record<string, string>> = { 'content-type': 'application/grpc', ...fields };
  return {
    method: 'POST',
    path,
    scheme: 'http',
    authority: 'test',
    fields: [],
    header: (name) => all[name],
  };
}

/** A caller who takes whatever comes, and is not interested in it but for these. */
export function streamTo(interest: Partial<ResponseStream> = {}): ResponseStream {
  return {
    respond: () => undefined,
    write: () => true,
    end: () => undefined,
    reply: () => undefined,
    onDrain: () => undefined,
    hold: () => undefined,
    release: () => undefined,
    reset: () => undefined,
    peer: 'test',
    ...interest,
  };
}

/** Counts, and tells nobody. */
export function quietObserver(): CallObserver {
  return {
    inFlightCount: 0,
    receivedMessageCount: 0,
    sentMessageCount: 0,
    onCallEnd: () => undefined,
  };
}
