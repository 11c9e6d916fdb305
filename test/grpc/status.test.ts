import { describe, expect, it } from 'vitest';
import { SideboardError } from '../../src/errors.ts';
import { GrpcCode, grpcCodeName, statusOf } from '../../src/grpc/status.ts';
import { encodeStatusDetails } from '../../src/grpc/status-details.ts';
import { encodeStatusMessage } from '../../src/grpc/status-message.ts';
import { parseTimeoutMs } from '../../src/grpc/timeout.ts';

describe('statusOf', () => {
  it('shows errors of ours and hides all others', () => {
    expect(statusOf(new SideboardError('FEATURE_NOT_FOUND', 'no such feature'))).toMatchObject({
      code: GrpcCode.NOT_FOUND,
      message: 'no such feature',
    });
    expect(statusOf(new TypeError('secret detail'))).toEqual({
      code: GrpcCode.INTERNAL,
      message: 'internal error',
    });
  });
});

describe('encodeStatusMessage', () => {
  it.each([
    ['plain text', 'plain text'],
    ['100%', '100%25'],
    ['line\nbreak', 'line%0Abreak'],
    ['Zürich', 'Z%C3%BCrich'],
    // A header field neither begins nor ends with a space (RFC 9113 section 8.2.1).
    ['only the column x ', 'only the column x%20'],
    ['  x', '%20 x'],
    [' ', '%20'],
  ])('%j becomes %j', (message, encoded) => {
    expect(encodeStatusMessage(message)).toBe(encoded);
    expect(decodeURIComponent(encoded)).toBe(message);
  });

  it.each(['a', 'ü', '%', '😀', 'no 😀 '])(
    'a message that repeats %j for ever is cut to what clients take, between characters',
    (text) => {
      const message = text.repeat(100_000);
      const encoded = encodeStatusMessage(message);
      expect(encoded.length).toBeLessThanOrEqual(2048);
      expect(encoded.length).toBeGreaterThan(1500);
      expect(encodeStatusDetails({ code: GrpcCode.NOT_FOUND, message }).length).toBeLessThan(3000);
      const shown = decodeURIComponent(encoded);
      expect(shown.endsWith(' …')).toBe(true);
      expect(message.startsWith(shown.slice(0, -2))).toBe(true);
    },
  );
});

describe('parseTimeoutMs', () => {
  it.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3000],
    ['250m', 250],
    ['1500u', 1.5],
    ['99999999n', 99.999999],
  ])('%s is %d ms', (header, timeoutMs) => {
    expect(parseTimeoutMs(header)).toBeCloseTo(timeoutMs, 9);
  });

  it.each(['', '1', 'S', '123456789S', '-1S', '1.5S', '1s', ' 1S'])('%j is refused', (header) => {
    expect(() => parseTimeoutMs(header)).toThrow('malformed grpc-timeout');
  });
});

it('names every code', () => {
  expect(grpcCodeName(GrpcCode.DATA_LOSS)).toBe('DATA_LOSS');
  expect(Object.values(GrpcCode).map(grpcCodeName)).toEqual(Object.keys(GrpcCode));
});
