import { describe, expect, it } from 'vitest';
import { CallerAbort, type CallerSignal } from '../../src/call/caller-signal.ts';

describe('CallerAbort', () => {
  it.each([
    ['ours', () => new CallerAbort()],
    ['AbortController', () => new AbortController()],
  ])('%s: tells who listens, once', (_name, create) => {
    const abort = create();
    const signal: CallerSignal = abort instanceof CallerAbort ? abort : abort.signal;
    const heard: string[] = [];
    const leaver = (): void => void heard.push('leaver');
    signal.addEventListener('abort', leaver, { once: true });
    signal.addEventListener('abort', () => heard.push('first'), { once: true });
    signal.addEventListener('abort', () => heard.push('second'), { once: true });
    signal.removeEventListener('abort', leaver);
    signal.removeEventListener('abort', leaver);
    expect(signal.aborted).toBe(false);
    abort.abort();
    abort.abort();
    expect(signal.aborted).toBe(true);
    signal.addEventListener('abort', () => heard.push('late'), { once: true });
    expect(heard).toEqual(['first', 'second']);
  });
});
