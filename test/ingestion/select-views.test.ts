import { describe, expect, test } from 'vitest';
import { selectViews, type ViewSelection } from '../../src/ingestion/select-views.ts';
import type {
  OnDemandDefinition,
  ProjectionDefinition,
  RegistrySnapshot,
  ViewDefinition,
} from '../../src/registry/registry-model.ts';
import { sourceOf, viewOf } from './source-fixture.ts';

const batchSource = sourceOf({});

function snapshotOf(views: readonly ViewDefinition[], versioningEnabled = false): RegistrySnapshot {
  return {
    project: 'p',
    versionId: '',
    lastUpdatedMs: 0,
    entities: new Map(),
    views: new Map(views.map((view) => [view.name, view])),
    viewVersions: new Map(
      views.map((view) => [
        view.name,
        new Map([
          [0, { ...view, versionNumber: 0 }],
          [view.versionNumber, view],
        ]),
      ]),
    ),
    featureServices: new Map(),
    pushSources: new Map(),
    permissions: [],
    versioningEnabled,
  };
}

function choose(
  snapshot: RegistrySnapshot,
  names?: readonly string[],
  version?: string,
  delegates = false,
): ViewSelection {
  return selectViews(snapshot, { names, version, delegates });
}

const plain = viewOf({ name: 'plain', materialization: { batchSource } });
const stream = viewOf({
  name: 'stream',
  kind: 'stream_feature_view',
  materialization: { batchSource },
});
const offline = viewOf({ name: 'offline', online: false, materialization: { batchSource } });
const disabled = viewOf({ name: 'disabled', disabled: true, materialization: { batchSource } });
const pushed = viewOf({ name: 'pushed', materialization: {} });
const label = viewOf({ name: 'label', kind: 'label_view' });
const warehouse = viewOf({
  name: 'warehouse',
  materialization: { batchSource: sourceOf({ kind: 'bigquery', name: 'bq' }) },
});
const computed = viewOf({
  name: 'computed',
  materialization: { batchSource, computedBy: 'pandas transformation' },
});

describe('a run over all views', () => {
  test('takes feature views and stream feature views that are online and enabled', () => {
    const { selected, skipped } = choose(
      snapshotOf([plain, stream, offline, disabled, pushed, label]),
    );
    expect(selected.map(({ view }) => view.name)).toEqual(['plain', 'stream']);
    expect(skipped).toEqual([
      { viewName: 'offline', reason: 'not online' },
      { viewName: 'disabled', reason: 'disabled' },
      { viewName: 'pushed', reason: 'no batch source: filled by pushes alone' },
    ]);
  });

  test.each([
    [
      warehouse,
      'feature view warehouse reads its rows from bigquery (source bq); materialize it with Feast',
    ],
    [
      computed,
      'feature view computed is computed by pandas transformation; materialize it with Feast',
    ],
  ])('refuses what only Feast can materialize', (view, message) => {
    expect(() => choose(snapshotOf([plain, view]))).toThrow(message);
    expect(choose(snapshotOf([plain, view]), ['plain']).selected).toHaveLength(1);
  });
});

describe('a run over named views', () => {
  const all = snapshotOf([plain, stream, offline, disabled, pushed, label]);

  test('takes each once, in the order given', () => {
    const { selected } = choose(all, ['stream', 'plain', 'stream']);
    expect(selected.map(({ view }) => view.name)).toEqual(['stream', 'plain']);
  });

  test.each([
    ['nothing', 'Feature view nothing does not exist in project p'],
    ['plan', 'Feature view plan does not exist in project p; did you mean plain?'],
    ['offline', 'feature view offline is not online'],
    ['disabled', 'feature view disabled is disabled'],
    ['pushed', 'feature view pushed has no batch source'],
    ['label', 'label view label is filled by pushes'],
  ])('refuses %s', (name, message) => {
    expect(() => choose(all, [name])).toThrow(message);
  });
});

describe('versions', () => {
  const third = { ...plain, versionNumber: 3 };

  test('have stored names of their own where the registry keeps them apart', () => {
    expect(choose(snapshotOf([third], true)).selected[0]?.storedName).toBe('plain_v3');
    expect(choose(snapshotOf([third], false)).selected[0]?.storedName).toBe('plain');
    expect(choose(snapshotOf([plain], true)).selected[0]?.storedName).toBe('plain');
  });

  test('can be chosen for one view', () => {
    const chosen = choose(snapshotOf([third], true), ['plain'], 'v0').selected[0];
    expect(chosen).toMatchObject({ storedName: 'plain', view: { versionNumber: 0 } });
  });

  test.each([
    [['plain', 'stream'], 'v1', 'needs exactly one feature view'],
    [['plain'], 'latest', 'needs exactly one feature view'],
    [['plain'], 'v7', 'plain@v7 does not exist'],
  ])('%j %s is refused', (names, version, message) => {
    expect(() => choose(snapshotOf([third, stream], true), names, version)).toThrow(message);
  });

  test('need the registry to keep them', () => {
    expect(() => choose(snapshotOf([third], false), ['plain'], 'v3')).toThrow(
      'enable_online_feature_view_versioning',
    );
  });
});

describe('on-demand views', () => {
  const kept = (name: string, more: Partial<OnDemandDefinition> = {}): ViewDefinition =>
    viewOf({
      name,
      kind: 'on_demand_feature_view',
      online: false,
      onDemand: {
        mode: 'pandas',
        writeToOnlineStore: true,
        sources: [sourceView('plain')],
        requestFields: [],
        ...more,
      },
    });
  const sourceView = (viewName: string): ProjectionDefinition => ({
    viewName,
    alias: '',
    featureNames: [],
    joinKeyMap: new Map(),
    versionTag: undefined,
  });
  const other = viewOf({
    name: 'other',
    joinKeys: [{ name: 'another_id', valueType: 0 }],
    materialization: { batchSource },
  });
  const ours = kept('ours', { mode: 'python', functionHash: 'abc' });
  const pandas = kept('pandas');
  const all = (view: ViewDefinition): RegistrySnapshot =>
    snapshotOf([plain, stream, pushed, other, ours, pandas, view]);

  test('are computed where their functions are run, whoever names them', () => {
    const snapshot = snapshotOf([plain, stream, ours, pandas]);
    const named = choose(snapshot, ['ours', 'plain']);
    expect(named.computed.map(({ view }) => view.name)).toEqual(['ours']);
    expect(named.computed[0]!.sources.map(({ view }) => view.name)).toEqual(['plain']);
    expect(choose(snapshot).computed.map(({ view }) => view.name)).toEqual(['ours']);
    const delegated = choose(snapshot, undefined, undefined, true);
    expect(delegated.computed.map(({ view }) => view.name)).toEqual(['ours', 'pandas']);
    const twice = kept('twice', { sources: [sourceView('plain'), sourceView('plain')] });
    expect(choose(all(twice), ['twice'], undefined, true).computed[0]!.sources).toHaveLength(1);
  });

  test.each([
    [pandas, 'no transformation server is configured', false],
    [kept('k', { mode: 'python' }), 'function of mode python, which is not run here', true],
    [kept('k', { writeToOnlineStore: false }), 'is computed when it is read', true],
    [kept('k', { sources: [] }), 'has no source feature view', true],
    [kept('k', { sources: [sourceView('nobody')] }), 'the source nobody, which does not', true],
    [kept('k', { sources: [sourceView('ours')] }), 'the source ours, which is computed', true],
    [kept('k', { sources: [sourceView('pushed')] }), 'source pushed, which is filled by', true],
    [
      kept('k', { sources: [sourceView('plain'), sourceView('other')] }),
      'sources with different join keys',
      true,
    ],
    [
      { ...kept('k'), joinKeys: [{ name: 'nobody_id', valueType: 0 }] },
      'the join key nobody_id, which its sources do not have',
      true,
    ],
    [
      kept('k', { requestFields: [{ name: 'count', valueType: 0 }] }),
      'request data (count), which no source has',
      true,
    ],
    [{ ...kept('k'), disabled: true }, 'is disabled', true],
  ])('%# are refused where they are named, and else left out', (view, message, delegates) => {
    expect(() => choose(all(view), [view.name], undefined, delegates)).toThrow(message);
    const { computed: taken, skipped } = choose(all(view), undefined, undefined, delegates);
    expect(taken.map(({ view: { name } }) => name)).not.toContain(view.name);
    const isSilent = view.disabled || view.onDemand?.writeToOnlineStore === false;
    const reasons = skipped.flatMap(({ viewName, reason }) =>
      viewName === view.name ? [reason] : [],
    );
    expect(reasons).toEqual(isSilent ? [] : [expect.stringContaining(message)]);
  });
});
