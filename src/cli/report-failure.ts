import { CommanderError } from 'commander';
import { isSideboardError, type ErrorCode } from '../errors.ts';
import { EXIT } from './context.ts';

/** Errors that the user mends in what was given to the command. */
const INVALID_INPUT: ReadonlySet<ErrorCode> = new Set([
  'INVALID_CONFIGURATION',
  'INVALID_DEFINITION',
  'INVALID_REQUEST',
  'INVALID_FEATURE_REFERENCE',
  'FEATURE_SERVICE_NOT_FOUND',
  'FEATURE_VIEW_NOT_FOUND',
  'FEATURE_VIEW_VERSION_NOT_FOUND',
  'FEATURE_NOT_FOUND',
  'NO_FEATURES_REQUESTED',
  'FEATURE_NAME_COLLISION',
  'VERSIONED_READ_UNSUPPORTED',
  'MISSING_JOIN_KEY',
]);

/** What helps whatever the message says. */
const HINTS: Partial<Record<ErrorCode, string>> = {
  ONLINE_STORE_UNAVAILABLE:
    'online_store in feature_store.yaml says where it is, "sideboard check" looks at all of it',
};

/** Says on standard error why a command ended, and sets the exit code. What is not an error of ours comes with its stack. */
export function reportFailure(error: unknown): void {
  if (error instanceof CommanderError) {
    // It has said what is wrong, or printed the help or the version that was asked for.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.invalid;
    return;
  }
  if (isSideboardError(error)) {
    const hint = HINTS[error.code];
    process.stderr.write(`sideboard: ${error.message}${hint === undefined ? '' : `; ${hint}`}\n`);
    process.exitCode = INVALID_INPUT.has(error.code) ? EXIT.invalid : EXIT.failure;
    return;
  }
  process.stderr.write(
    `sideboard: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = EXIT.failure;
}
