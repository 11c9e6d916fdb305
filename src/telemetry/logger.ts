import { pino, type Logger } from 'pino';

export type { Logger };

/**
 * The one logger of a process: JSON lines on standard output. Feature values, entity values and secrets are never
 * handed to it; `redact` is the second fence.
 */
export function createLogger(level: string): Logger {
  return pino({
    level,
    base: { service: 'sideboard' },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: ['*.password', '*.sentinelPassword', '*.key', 'password', 'metadata.authorization'],
      censor: '[redacted]',
    },
  });
}
