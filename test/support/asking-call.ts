import type { AskingCall, Caller } from '../../src/call/access.ts';

/** A call that asks for something. @param headers its metadata by lower-case name */
export function askingCall(
  caller: Caller | undefined,
  headers: Readonly<Record<string, string>> = {},
): AskingCall {
  return {
    path: '/feast.serving.ServingService/GetOnlineFeatures',
    startedAtMs: 0,
    rowCount: 0,
    featureCount: 0,
    lostCount: 0,
    authority: '127.0.0.1',
    peer: '127.0.0.1:1',
    caller,
    trace: undefined,
    metadata: (name) => headers[name],
  };
}
