import { describe, expect, test, vi } from 'vitest';
import type { Caller } from '../../src/call/access.ts';
import { unauthenticated } from '../../src/auth/auth-errors.ts';
import { createBearerTokens, type VerifyToken } from '../../src/auth/bearer-tokens.ts';
import { askingCall } from '../support/asking-call.ts';

const CALLER: Caller = {
  name: 'ada',
  roles: [],
  groups: [],
  namespaces: [],
  isServer: false,
  validUntilMs: Infinity,
};

function tokens(verify: VerifyToken, more: { cacheMs?: number; maxCachedTokens?: number } = {}) {
  const audit = vi.fn();
  const { authenticate, forgetAll } = createBearerTokens({
    verify,
    maxTokenBytes: 100,
    cacheMs: 60_000,
    maxCachedTokens: 2,
    audit,
    ...more,
  });
  return {
    authenticate: (authorization: string | undefined) =>
      authenticate(askingCall(undefined, authorization === undefined ? {} : { authorization })),
    forgetAll,
    audit,
  };
}

describe('a token', () => {
  test('is looked at once, also by those who ask at the same time', async () => {
    const verify = vi.fn(() => Promise.resolve(CALLER));
    const { authenticate } = tokens(verify);
    const [first, second] = await Promise.all([authenticate('Bearer a'), authenticate('Bearer a')]);
    expect([first, second]).toEqual([CALLER, CALLER]);
    // Known by now: nobody waits.
    expect(authenticate('Bearer a')).toBe(CALLER);
    expect(verify).toHaveBeenCalledTimes(1);
  });

  test('is looked at again when it may have been withdrawn, and when it has expired', async () => {
    const verify = vi.fn(() => Promise.resolve(CALLER));
    const { authenticate, forgetAll } = tokens(verify);
    await authenticate('Bearer a');
    forgetAll();
    await authenticate('Bearer a');
    expect(verify).toHaveBeenCalledTimes(2);

    const ending = vi.fn(() => Promise.resolve({ ...CALLER, validUntilMs: Date.now() - 1 }));
    const other = tokens(ending);
    await other.authenticate('Bearer a');
    await other.authenticate('Bearer a');
    expect(ending).toHaveBeenCalledTimes(2);
  });

  test('that was vouched for by what has been withdrawn meanwhile is not remembered', async () => {
    const verify = vi.fn(async () => {
      bearer.forgetAll();
      return CALLER;
    });
    const bearer = tokens(verify);
    await bearer.authenticate('Bearer a');
    await bearer.authenticate('Bearer a');
    expect(verify).toHaveBeenCalledTimes(2);
  });

  test('that is bad is not looked at again at once; a failure to look is not remembered', async () => {
    const refusing = vi.fn(() => Promise.reject(unauthenticated('no')));
    const bad = tokens(refusing);
    await expect(bad.authenticate('Bearer a')).rejects.toThrow('no');
    expect(() => bad.authenticate('Bearer a')).toThrow('no');
    expect(refusing).toHaveBeenCalledTimes(1);

    const failing = vi.fn(() => Promise.reject(new Error('down')));
    const down = tokens(failing);
    await expect(down.authenticate('Bearer a')).rejects.toThrow('down');
    await expect(down.authenticate('Bearer a')).rejects.toThrow('down');
    expect(failing).toHaveBeenCalledTimes(2);
  });

  test('that is bad is on record each time it is used, also by those who ask at the same time', async () => {
    const { authenticate, audit } = tokens(() => Promise.reject(unauthenticated('no')));
    const both = await Promise.allSettled([authenticate('Bearer a'), authenticate('Bearer a')]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(() => authenticate('Bearer a')).toThrow('no');
    expect(audit.mock.calls.map(([{ decision }]) => decision)).toEqual(Array(3).fill('denied'));
  });

  test('is forgotten for newer ones', async () => {
    const verify = vi.fn(() => Promise.resolve(CALLER));
    const { authenticate } = tokens(verify);
    for (const token of ['a', 'b', 'c', 'a']) await authenticate(`Bearer ${token}`);
    expect(verify).toHaveBeenCalledTimes(4);
  });

  test('has to be a bearer token of a size, or nobody looks', () => {
    const verify = vi.fn(() => Promise.resolve(CALLER));
    const { authenticate } = tokens(verify);
    for (const header of [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      'Basic a',
      'Bearer a b',
      'a',
      'Bearer é',
    ]) {
      expect(() => authenticate(header)).toThrow(
        expect.objectContaining({ code: 'UNAUTHENTICATED' }),
      );
    }
    expect(() => authenticate(`Bearer ${'a'.repeat(100)}`)).toThrow('max_token_bytes');
    expect(verify).not.toHaveBeenCalled();
  });

  test('is not looked at while too many others are', async () => {
    const { promise, resolve } = Promise.withResolvers<Caller>();
    const { authenticate } = tokens(() => promise);
    const waiting = Array.from({ length: 256 }, (_, i) => authenticate(`Bearer ${i}`));
    expect(() => authenticate('Bearer more')).toThrow(
      expect.objectContaining({ code: 'OVERLOADED' }),
    );
    resolve(CALLER);
    for (const each of waiting) await each;
    expect(await authenticate('Bearer more')).toEqual(CALLER);
  });
});
