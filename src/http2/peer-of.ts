/** What a socket knows of its other end. */
export interface PeerSocket {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/** Of a connection without an address. */
export const UNIX_PEER = 'unix socket';

/** Where a connection comes from: `address:port`, or `UNIX_PEER`. */
export function peerOf({ remoteAddress, remotePort }: PeerSocket): string {
  return remoteAddress === undefined ? UNIX_PEER : `${remoteAddress}:${remotePort}`;
}
