/**
 * All that this folder needs from the world: sockets, time, chance. `node-runtime.ts` is the real one; a simulation gives
 * its own, and then nothing in here waits, sleeps or differs from one run to the next.
 */
export interface RedisRuntime {
  /** Milliseconds on a clock that never goes back, the one that deadlines are on. */
  now(): number;
  /** In `[0, 1)`. */
  random(): number;
  /** Calls `run` once after so many milliseconds. */
  setTimer(run: () => void, delayMs: number): RedisTimer;
  /** Calls `run` after everything that arrived in this turn of the event loop has been handled. */
  defer(run: () => void): void;
  /** Starts to connect; `handlers` hear of everything after this call returned. */
  connect(target: SocketTarget, handlers: SocketHandlers): RedisSocket;
  /** All addresses of a host name; an address is its own. Rejects where there are none. */
  resolveAddresses(host: string): Promise<readonly string[]>;
}

export interface RedisTimer {
  /** After this `run` is not called; safe to call again, and after it ran. */
  cancel(): void;
}

/** Where to connect to: TCP by host and port, or a unix socket by its path. */
export interface SocketTarget {
  readonly host: string;
  readonly port: number;
  /** The name that `host` is an address of, to expect in its certificate; absent = `host` itself. */
  readonly servername?: string | undefined;
  /** Path of a unix socket; wins over host and port. */
  readonly path?: string | undefined;
  /** `false` = no TLS. */
  readonly tls: false | RedisTlsOptions;
  /** Quiet seconds after which the kernel asks whether the peer is still there. */
  readonly keepAliveMs: number;
}

/** TLS towards Redis; PEM text. */
export interface RedisTlsOptions {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Name to ask for and to expect; absent = the host connected to. */
  readonly servername?: string | undefined;
  /** `false` accepts any certificate. */
  readonly rejectUnauthorized: boolean;
  /** `false` accepts a certificate of a trusted authority whatever name it carries. */
  readonly checkServerIdentity?: boolean | undefined;
}

/** What a socket tells. None of them is called while `RedisRuntime.connect` or a method of the socket runs. */
export interface SocketHandlers {
  /** The connection stands, TLS included. */
  onConnect(): void;
  /** Where the next bytes are to be written; never empty. Asked again before each time that bytes arrive. */
  receiveBuffer(): Uint8Array;
  /** So many bytes stand at the front of the last `receiveBuffer`. */
  onReceive(byteCount: number): void;
  /** The connection is gone or never came to be; called exactly once, nothing after it, and not after `destroy`. */
  onClose(error: Error | undefined): void;
}

export interface RedisSocket {
  /** Sends bytes, which stay as they are until `onWritten`: handed to the kernel. */
  write(bytes: Uint8Array, onWritten: () => void): void;
  /** Ends the connection at once; its handlers are not called any more. */
  destroy(): void;
}
