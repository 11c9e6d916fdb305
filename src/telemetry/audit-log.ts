import type { Audit } from '../auth/audit-record.ts';
import type { RequestTracing } from '../call/request-trace.ts';
import type { Logger } from './logger.ts';
import { traceFields } from './trace-fields.ts';

/** Denials that are written in one second; further ones are counted. */
const MAX_DENIALS_PER_SECOND = 50;

/** What an audit log needs beside the log. */
export interface AuditLogOptions {
  /** What decides whether a call is traced; `undefined` = none is. */
  readonly tracing?: () => RequestTracing | undefined;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/**
 * Writes decisions as lines of the log with `audit: true`, whatever its level, unless it is silent. Grants are as many as
 * there are callers and registries; denials are anybody's to cause, so that there is a limit to them.
 */
export function createAuditLog(
  logger: Logger,
  { tracing, now = Date.now }: AuditLogOptions = {},
): Audit {
  const audit = logger.child(
    { audit: true },
    { level: logger.level === 'silent' ? 'silent' : 'info' },
  );
  let second = 0;
  let denialCount = 0;
  return (record, call) => {
    if (record.decision === 'denied') {
      const current = Math.floor(now() / 1000);
      if (current !== second) {
        const unwritten = denialCount - MAX_DENIALS_PER_SECOND;
        if (unwritten > 0) audit.info({ unwritten }, 'further denials');
        second = current;
        denialCount = 0;
      }
      denialCount += 1;
      if (denialCount > MAX_DENIALS_PER_SECOND) return;
    }
    // Who is turned away is not let in, where that is decided for the others.
    call.trace ??= tracing?.()?.begin(call);
    audit.info({ ...record, ...traceFields(call) }, `${record.what} ${record.decision}`);
  };
}
