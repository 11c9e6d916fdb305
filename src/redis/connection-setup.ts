import { encodeCommand } from './encode-command.ts';
import type { ConnectionOptions, RedisCredentials } from './connection-options.ts';
import type { RedisCommand } from './redis-command.ts';
import { RedisError } from './redis-error.ts';
import { Resp } from './reply-reader.ts';

/** One step of setting a connection up: all are sent in one write, answered in order. */
export interface SetupStep {
  readonly bytes: Uint8Array;
  /** Whether an error reply to it makes the connection useless; others are for older servers to refuse. */
  readonly isRequired: boolean;
  /** What it does, for a message; never what is in it. */
  readonly purpose: string;
}

const HELLO = 'HELLO';
/** Replies to `HELLO` that say "ask in RESP2", not "go away"; Envoy leaves `ERR` out. */
const NO_HELLO = /^(?:NOPROTO|NOPERM|(?:ERR )?(?:unknown|(?:unknown or )?unsupported) command)/i;
/** Proxies let nothing pass before `AUTH`; a server that knows `HELLO` takes the password from it. */
const WANTS_AUTH = /^NOAUTH/;

export function isHello(step: SetupStep): boolean {
  return step.purpose === HELLO;
}

/** Whether an error reply to `HELLO` means that the server speaks RESP2 alone. */
export function lacksHello(text: string, { password }: RedisCredentials): boolean {
  return NO_HELLO.test(text) || (password !== undefined && WANTS_AUTH.test(text));
}

/**
 * The commands that make a fresh connection ready.
 *
 * @param protocol 3 asks for RESP3 with `HELLO`, which takes user and password along; 2 authenticates by itself.
 * @param isReplicaReader reads of keys are to be answered by a replica in a cluster as well.
 */
export function setupSteps(
  options: ConnectionOptions,
  credentials: RedisCredentials,
  protocol: 2 | 3,
  isReplicaReader: boolean,
): SetupStep[] {
  const steps: SetupStep[] = [];
  const add = (isRequired: boolean, purpose: string, ...words: readonly string[]): void => {
    steps.push({ bytes: encodeCommand(words), isRequired, purpose });
  };
  const auth = authenticationWords(credentials);
  if (protocol === 3) {
    const withAuth =
      auth.length === 0 ? [] : ['AUTH', credentials.username ?? 'default', ...auth.slice(-1)];
    add(true, HELLO, HELLO, '3', ...withAuth);
  } else if (auth.length > 0) {
    add(true, 'authentication', 'AUTH', ...auth);
  }
  if (options.database !== 0) {
    add(true, `SELECT ${options.database}`, 'SELECT', String(options.database));
  }
  if (isReplicaReader) {
    add(false, 'READONLY', 'READONLY');
  }
  add(false, 'CLIENT SETNAME', 'CLIENT', 'SETNAME', options.clientName);
  add(false, 'CLIENT SETINFO', 'CLIENT', 'SETINFO', 'LIB-NAME', options.libraryName);
  add(false, 'CLIENT SETINFO', 'CLIENT', 'SETINFO', 'LIB-VER', options.libraryVersion);
  return steps;
}

/** What follows `AUTH`: nothing where no password is known. */
export function authenticationWords({ username, password }: RedisCredentials): string[] {
  if (password === undefined) {
    return [];
  }
  return username === undefined ? [password] : [username, password];
}

/** The error of a step that was refused. */
export function setupError(step: SetupStep, text: string, address: string): RedisError {
  return new RedisError('UNREACHABLE', `${step.purpose} refused: ${text}`, { address });
}

/** What comes of setting up. */
export interface SetupEvents {
  /** All steps are answered. */
  onDone(): void;
  /** A required step was refused, the first one. */
  onRefused(step: SetupStep, text: string): void;
}

/** The steps as commands whose replies are due; they are sent together, so none is encoded by itself. */
export function setupCommands(steps: readonly SetupStep[], events: SetupEvents): RedisCommand[] {
  return steps.map((step, i) => {
    const finish = (): void => {
      if (i === steps.length - 1) {
        events.onDone();
      }
    };
    return {
      isOver: false,
      isAsking: false,
      encodedLength: () => step.bytes.length,
      encode: (_out, at) => at,
      readReply: (reader) => reader.skip(),
      onReply(reader) {
        // One reply too many here would give every later command the answer of the one before.
        const isStatus = reader.bytes[reader.start] === Resp.STATUS;
        if (isStatus === isHello(step)) {
          throw new RedisError('PROTOCOL', `${step.purpose} was answered with something else`);
        }
        finish();
      },
      onErrorReply: (text) => {
        if (step.isRequired) events.onRefused(step, text);
        else finish();
      },
      onLost: () => {},
    };
  });
}
