import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createAuditLog } from '../../src/telemetry/audit-log.ts';
import { askingCall } from '../support/asking-call.ts';
import { textsOf } from '../support/page-blocks.ts';

const DENIED = { decision: 'denied', what: 'authentication', reason: 'no token' } as const;

function auditLog(level: string) {
  const lines: Record<string, unknown>[] = [];
  const logger = pino(
    { level },
    { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  let nowMs = 1_000_000;
  return {
    lines,
    audit: createAuditLog(logger, { now: () => nowMs }),
    wait: (ms: number) => (nowMs += ms),
  };
}

test('decisions are written whatever the level, unless the log is silent', () => {
  for (const [level, count] of [
    ['fatal', 1],
    ['debug', 1],
    ['silent', 0],
  ] as const) {
    const { audit, lines } = auditLog(level);
    audit(DENIED, askingCall(undefined));
    expect([level, lines.length]).toEqual([level, count]);
  }
});

test('denials beyond fifty in a second are counted', () => {
  const { audit, lines, wait } = auditLog('info');
  for (let i = 0; i < 80; i++) audit(DENIED, askingCall(undefined));
  expect(lines).toHaveLength(50);
  expect(lines[0]).toMatchObject({ audit: true, ...DENIED, msg: 'authentication denied' });
  wait(1000);
  audit(DENIED, askingCall(undefined));
  expect(lines.slice(50)).toMatchObject([{ unwritten: 30, msg: 'further denials' }, DENIED]);
});

test('docs/auth.md shows a grant as it is written', () => {
  const { audit, lines } = auditLog('info');
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const call = askingCall(undefined, { traceparent: `00-${traceId}-00f067aa0ba902b7-01` });
  audit(
    {
      decision: 'granted',
      what: 'permission',
      caller: 'ada',
      action: 'READ_ONLINE',
      project: 'rides',
      objects: ['driver_stats'],
      permissions: ['readers'],
      registryVersion: '3f0c…',
      reason: undefined,
    },
    call,
  );
  const [shown = ''] = textsOf('docs/auth.md', 'json');
  const { time, service, ...rest } = JSON.parse(shown) as Record<string, unknown>;
  expect(lines[0]).toMatchObject(rest);
  expect([typeof time, service]).toEqual(['string', 'sideboard']);
});
