import { describe, expect, it } from 'vitest';
import { featureViewNotFound, SideboardError, type ErrorCode } from '../../src/errors.ts';
import { feastErrorAnswer } from '../../src/http/feast-error.ts';

describe('feastErrorAnswer', () => {
  it('encodes twice where Feast has a class for it', () => {
    const answer = feastErrorAnswer(featureViewNotFound('nope', 'travel'));
    expect(answer.status).toBe(404);
    expect(JSON.parse(JSON.parse(answer.body) as string)).toEqual({
      module: 'feast.errors',
      class: 'FeatureViewNotFoundException',
      message: 'Feature view nope does not exist in project travel',
    });
  });

  it('is a JSON string otherwise', () => {
    const answer = feastErrorAnswer(new SideboardError('MISSING_JOIN_KEY', 'no "user_id"\n'));
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toBe('no "user_id"\n');
  });

  it('tells nothing of what is not an error of ours', () => {
    const answer = feastErrorAnswer(new Error('password is hunter2'));
    expect(answer).toEqual({ status: 500, body: '"internal error"' });
  });

  it('answers 5xx for nothing that the caller could mend', () => {
    const callerMistakes: ErrorCode[] = [
      'FEATURE_SERVICE_NOT_FOUND',
      'FEATURE_VIEW_NOT_FOUND',
      'FEATURE_VIEW_VERSION_NOT_FOUND',
      'FEATURE_NOT_FOUND',
      'INVALID_FEATURE_REFERENCE',
      'NO_FEATURES_REQUESTED',
      'FEATURE_NAME_COLLISION',
      'VERSIONED_READ_UNSUPPORTED',
      'FEATURE_VIEW_DISABLED',
      'FEATURE_VIEW_NOT_SERVABLE',
      'MISSING_JOIN_KEY',
      'AMBIGUOUS_JOIN_KEY',
      'ENTITY_ROW_LENGTH_MISMATCH',
      'UNSUPPORTED_JOIN_KEY_TYPE',
      'INVALID_ENTITY_VALUE',
      'REQUEST_DATA_NOT_FOUND',
      'INVALID_REQUEST',
      'LIMIT_EXCEEDED',
      'MESSAGE_TOO_LARGE',
    ];
    for (const code of callerMistakes) {
      const { status } = feastErrorAnswer(new SideboardError(code, 'x'));
      expect([code, status >= 400 && status < 500]).toEqual([code, true]);
    }
  });

  it('tells callers when to come back', () => {
    for (const code of [
      'OVERLOADED',
      'ONLINE_STORE_UNAVAILABLE',
      'REGISTRY_UNAVAILABLE',
    ] as const) {
      expect(feastErrorAnswer(new SideboardError(code, 'x')).headers).toEqual({
        'retry-after': '1',
      });
    }
  });
});
