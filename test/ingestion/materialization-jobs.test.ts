import { describe, expect, it } from 'vitest';
import { createMaterializationJobs } from '../../src/ingestion/materialization-jobs.ts';
import type {
  MaterializationBackend,
  MaterializationRequest,
  MaterializationRun,
} from '../../src/ingestion/materialization-jobs.ts';
import { ValueType } from '../../src/feast-encoding/value-type.ts';
import { registryOf, snapshotOf, viewOf } from './write-fixture.ts';

const A = viewOf({ name: 'a', features: [['x', ValueType.INT64]] });
const B = viewOf({ name: 'b', features: [['x', ValueType.INT64]] });
const SCOPE = { kind: 'window', window: { startNs: 0n, endNs: 1n } } as const;

function request(...viewNames: readonly string[]): MaterializationRequest {
  return { scope: SCOPE, viewNames, version: undefined };
}

/** Runs that wait until the test ends them. */
function open(options: Partial<MaterializationBackend> = {}) {
  const runs: (MaterializationRun & { end(error?: Error): void; signal: AbortSignal })[] = [];
  const failures: unknown[] = [];
  const registry = registryOf(snapshotOf([A, B]));
  const jobs = createMaterializationJobs({
    registry,
    maxRunning: 1,
    maxWaiting: 1,
    delegates: false,
    onFailure: (_names, error) => failures.push(error),
    run: (run, signal) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const end = (error?: Error): void => (error === undefined ? resolve() : reject(error));
      signal.addEventListener('abort', () => reject(signal.reason as Error));
      runs.push({ ...run, end, signal });
      return promise;
    },
    ...options,
  });
  return { jobs, runs, failures, registry };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('materialization jobs', () => {
  it('take all views that are online where none is named, and none where none are', async () => {
    const { jobs, runs, registry } = open();
    const all = jobs.run({ scope: SCOPE, viewNames: undefined, version: undefined });
    await turn();
    expect(runs[0]!.viewNames).toEqual(['a', 'b']);
    runs[0]!.end();
    await all;
    expect(registry.refreshCount).toBe(1);
    await jobs.run(request());
    expect(runs).toHaveLength(1);
  });

  it('wait for their turn, and are refused when too many wait', async () => {
    const { jobs, runs } = open();
    const first = jobs.run(request('a'));
    const second = jobs.run(request('b'));
    await expect(jobs.run(request('a'))).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(runs.map(({ viewNames }) => viewNames)).toEqual([['a']]);
    runs[0]!.end();
    await first;
    await turn();
    expect(runs.map(({ viewNames }) => viewNames)).toEqual([['a'], ['b']]);
    runs[1]!.end();
    await second;
  });

  it('refuse what is wrong before anything runs', async () => {
    const { jobs, runs } = open();
    expect(() => jobs.run(request('nope'))).toThrow(/nope does not exist/);
    await expect(jobs.start(request('nope'), false)).rejects.toMatchObject({
      code: 'FEATURE_VIEW_NOT_FOUND',
    });
    const version = { scope: SCOPE, viewNames: ['a', 'b'], version: 'v2' };
    await expect(jobs.start(version, false)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    expect(runs).toEqual([]);
  });
});

describe('a job in the background', () => {
  it('keeps its views from others until it is over, unless forced', async () => {
    const { jobs, runs } = open({ maxRunning: 2 });
    expect(await jobs.start(request('a'), false)).toEqual({ kind: 'accepted', viewNames: ['a'] });
    expect(await jobs.start(request('a', 'b'), false)).toEqual({
      kind: 'conflict',
      viewNames: ['a'],
    });
    expect(await jobs.start(request('b'), false)).toMatchObject({ kind: 'accepted' });
    expect(await jobs.start(request('a'), true)).toMatchObject({ kind: 'accepted' });
    for (const run of runs) run.end();
    await turn();
    await turn();
    runs[2]!.end();
    await turn();
    await turn();
    expect(await jobs.start(request('a'), false)).toMatchObject({ kind: 'accepted' });
  });

  it('marks its views and takes the marks away however it ends', async () => {
    const log: string[] = [];
    const { jobs, runs, failures } = open({
      reserve: (viewNames, force) => {
        log.push(`reserve ${viewNames.join()} ${force}`);
        return Promise.resolve({ release: async () => void log.push('release') });
      },
    });
    await jobs.start(request('a'), true);
    await turn();
    runs[0]!.end(new Error('broken'));
    await turn();
    await turn();
    expect(log).toEqual(['reserve a true', 'release']);
    expect(failures).toEqual([new Error('broken')]);
    expect(await jobs.start(request('a'), false)).toMatchObject({ kind: 'accepted' });
  });

  it('leaves views to whoever marked them elsewhere', async () => {
    const { jobs, runs } = open({ reserve: () => Promise.resolve({ taken: ['b'] }) });
    expect(await jobs.start(request('a', 'b'), false)).toEqual({
      kind: 'conflict',
      viewNames: ['b'],
    });
    expect(runs).toEqual([]);
  });

  it('is ended when the server stops, those that wait too', async () => {
    const { jobs, runs, failures } = open();
    await jobs.start(request('a'), false);
    await jobs.start(request('b'), false);
    await turn();
    await jobs.close();
    expect(runs.map(({ signal }) => signal.aborted)).toEqual([true]);
    expect(failures).toEqual([
      expect.objectContaining({ code: 'CANCELLED' }),
      expect.objectContaining({ code: 'CANCELLED' }),
    ]);
  });
});
