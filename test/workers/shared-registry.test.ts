import { afterEach, expect, test, vi } from 'vitest';
import type { Trouble } from '../../src/explain-unreachable.ts';
import type { RegistryContent, RegistryOrigin } from '../../src/registry/registry-origin.ts';
import type { RegistryState } from '../../src/workers/message.ts';
import { shareRegistry, type SharedRegistry } from '../../src/workers/shared-registry.ts';
import { createSupervisedOrigin } from '../../src/workers/supervised-origin.ts';

/** A place whose content a test changes, which counts what it is asked. */
class Place implements RegistryOrigin {
  readonly name = 'a place';
  readonly remedy = 'mend it';
  readonly minPollMs = 0;
  content = 'one';
  isDown = false;
  lookCount = 0;
  readCount = 0;
  /** Set = a read waits for it. */
  gate: Promise<void> | undefined;

  identify(): Promise<string> {
    this.lookCount += 1;
    return this.isDown ? Promise.reject(new Error('down')) : Promise.resolve(this.content);
  }

  async read(): Promise<RegistryContent> {
    this.readCount += 1;
    const { content } = this;
    await this.gate;
    if (this.isDown) throw new Error('down');
    return { bytes: Buffer.from(content), identity: content };
  }

  explain(error: unknown): Trouble {
    return { reason: `it is ${(error as Error).message}` };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const opened: SharedRegistry[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const registry of opened.splice(0)) await registry.close();
});

/** A place that is shared, and as many workers as asked for. */
function share(place: Place, options: { pollIntervalMs?: number; cacheTtlSeconds?: number } = {}) {
  let state: RegistryState = { generation: 0, isKnown: false };
  const registry = shareRegistry(place, {
    cacheTtlSeconds: 0,
    pollIntervalMs: 0,
    timeoutMs: 1000,
    onState: (next) => (state = next),
    ...options,
  });
  opened.push(registry);
  const worker = () =>
    createSupervisedOrigin({
      get state() {
        return state;
      },
      ask: registry.read,
    });
  return { registry, worker, state: () => state };
}

const textOf = async (origin: RegistryOrigin): Promise<string> =>
  Buffer.from((await origin.read(AbortSignal.timeout(1000))).bytes).toString();

test('however many workers start, it is read once', async () => {
  const place = new Place();
  const { worker } = share(place);
  const workers = await Promise.all([worker(), worker(), worker()]);
  expect(await Promise.all(workers.map(textOf))).toEqual(['one', 'one', 'one']);
  expect(await textOf(await worker())).toBe('one');
  expect(place.readCount).toBe(1);
  expect((await worker()).name).toBe('a place');
});

test('a change is read once, and every worker hears of it without asking the place', async () => {
  vi.useFakeTimers();
  const place = new Place();
  const { worker } = share(place, { pollIntervalMs: 100 });
  const workers = await Promise.all([worker(), worker()]);
  await Promise.all(workers.map(textOf));
  const before = await workers[0].identify!(AbortSignal.timeout(1));
  place.content = 'two';
  await vi.advanceTimersByTimeAsync(150);
  const looks = place.lookCount;
  for (const each of workers) expect(await each.identify!(AbortSignal.timeout(1))).not.toBe(before);
  expect(await Promise.all(workers.map(textOf))).toEqual(['two', 'two']);
  expect(place.readCount).toBe(2);
  expect(place.lookCount).toBe(looks);
});

test('whoever asks for what is there now gets it, also while an older look is under way', async () => {
  const place = new Place();
  const { worker } = share(place);
  const [a, b] = [await worker(), await worker()];
  await textOf(a);
  await textOf(b);
  const opening = Promise.withResolvers<void>();
  place.content = 'two';
  place.gate = opening.promise;
  const early = textOf(a);
  await vi.waitFor(() => expect(place.readCount).toBe(2));
  place.content = 'three';
  const late = textOf(b);
  opening.resolve();
  expect(await early).toBe('two');
  expect(await late).toBe('three');
});

test('content that is read again and is the same is no change', async () => {
  vi.useFakeTimers();
  const place = new Place();
  const { worker, state } = share(place, { cacheTtlSeconds: 1 });
  await textOf(await worker());
  await vi.advanceTimersByTimeAsync(3100);
  expect(place.readCount).toBeGreaterThanOrEqual(3);
  expect(state()).toEqual({ generation: 1, isKnown: true });
});

test('a place that is gone is told with its reason; what was read last is there for workers that start', async () => {
  vi.useFakeTimers();
  const place = new Place();
  const { worker } = share(place, { pollIntervalMs: 100 });
  const first = await worker();
  await textOf(first);
  place.isDown = true;
  place.content = 'two';
  await vi.advanceTimersByTimeAsync(150);
  // It cannot be told whether what is served is still the newest.
  expect(await first.identify!(AbortSignal.timeout(1))).toBeUndefined();
  await expect(textOf(first)).rejects.toMatchObject({
    code: 'REGISTRY_UNAVAILABLE',
    message: 'it is down',
  });
  expect(await textOf(await worker())).toBe('one');
  place.isDown = false;
  await vi.advanceTimersByTimeAsync(150);
  expect(await textOf(first)).toBe('two');
});

test('a place that cannot be read at the start is told to the worker that starts', async () => {
  const place = new Place();
  place.isDown = true;
  const { worker } = share(place);
  await expect(textOf(await worker())).rejects.toThrow('it is down');
});
