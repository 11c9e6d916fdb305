/**
 * What can go wrong between a caller and Redis:
 *
 * - `UNREACHABLE`: no connection to a node that could answer, or it broke before the answer and trying again did not help.
 * - `NO_ANSWER`: a node was asked and stayed silent for the command timeout.
 * - `DEADLINE`: the caller's own deadline passed.
 * - `CANCELLED`: the caller went away.
 * - `OVERLOADED`: so much is on its way already that this was refused; nothing was sent.
 * - `REPLY`: Redis answered with an error that trying again does not cure.
 * - `PROTOCOL`: what came back is not what this command is answered with.
 * - `CLOSED`: the client was closed.
 */
export type RedisErrorCode =
  | 'UNREACHABLE'
  | 'NO_ANSWER'
  | 'DEADLINE'
  | 'CANCELLED'
  | 'OVERLOADED'
  | 'REPLY'
  | 'PROTOCOL'
  | 'CLOSED';

/** The only error that leaves this folder. Neither message nor cause holds a key, a value or a secret. */
export class RedisError extends Error {
  override readonly name = 'RedisError';
  readonly code: RedisErrorCode;
  /** `host:port` or path of the node concerned; `undefined` where no single one is. */
  readonly address: string | undefined;

  constructor(
    code: RedisErrorCode,
    message: string,
    options: { readonly address?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.address = options.address;
  }
}

const MAX_REPLY_TEXT = 300;

/** What Redis before version 7 puts before that with which a command in a script fails; after it, since then. */
const IN_SCRIPT = /^ERR Error running script \(call to \w+\): @user_script: ?\d+: -?(?=[A-Z]{3,} )/;

/**
 * An error reply that begins with its code, also where a script met with it, and without what it repeats of the command:
 * Redis quotes arguments in some of them.
 */
export function errorReplyText(reply: string): string {
  return reply
    .replace(IN_SCRIPT, '')
    .replace(/,? with args beginning with[^]*/, '')
    .slice(0, MAX_REPLY_TEXT);
}

/** Whether an error reply begins with this word. */
export function isReplyError(error: unknown, word: string): error is RedisError {
  return error instanceof RedisError && error.code === 'REPLY' && error.message.startsWith(word);
}
