import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { ErrorInfoSchema, RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import { OverloadedError, SideboardError } from '../../src/errors.ts';
import { detailsOf, encodeStatusDetails } from '../../src/grpc/status-details.ts';

test('a status of any length comes back, without the padding that not every reader takes', () => {
  for (let length = 0; length < 6; length++) {
    const message = 'ü'.repeat(length);
    const text = encodeStatusDetails({ code: 5, message });
    expect(text).not.toContain('=');
    expect(fromBinary(StatusSchema, Buffer.from(text, 'base64'))).toMatchObject({
      code: 5,
      message,
    });
  }
});

test('a program is told which error it is, and when to come back', () => {
  const [info, ...none] = detailsOf(new SideboardError('FEATURE_NOT_FOUND', 'no such feature'));
  expect(none).toEqual([]);
  expect(anyUnpack(info!, ErrorInfoSchema)).toMatchObject({
    reason: 'FEATURE_NOT_FOUND',
    domain: 'sideboard',
  });
  const [, retry] = detailsOf(new OverloadedError('too much', 1500));
  expect(anyUnpack(retry!, RetryInfoSchema)?.retryDelay).toMatchObject({
    seconds: 1n,
    nanos: 500_000_000,
  });
});
