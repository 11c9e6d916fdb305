import { describe, expect, test } from 'vitest';
import { selectViews } from '../../src/ingestion/select-views.ts';
import type { RegistrySnapshot, ViewDefinition } from '../../src/registry/registry-model.ts';
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
    const { selected, skipped } = selectViews(
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
    expect(() => selectViews(snapshotOf([plain, view]))).toThrow(message);
    expect(selectViews(snapshotOf([plain, view]), ['plain']).selected).toHaveLength(1);
  });
});

describe('a run over named views', () => {
  const all = snapshotOf([plain, stream, offline, disabled, pushed, label]);

  test('takes each once, in the order given', () => {
    const { selected } = selectViews(all, ['stream', 'plain', 'stream']);
    expect(selected.map(({ view }) => view.name)).toEqual(['stream', 'plain']);
  });

  test.each([
    ['nothing', 'Feature view nothing does not exist in project p'],
    ['offline', 'feature view offline is not online'],
    ['disabled', 'feature view disabled is disabled'],
    ['pushed', 'feature view pushed has no batch source'],
    ['label', 'label view label is filled by pushes'],
  ])('refuses %s', (name, message) => {
    expect(() => selectViews(all, [name])).toThrow(message);
  });
});

describe('versions', () => {
  const third = { ...plain, versionNumber: 3 };

  test('have stored names of their own where the registry keeps them apart', () => {
    expect(selectViews(snapshotOf([third], true)).selected[0]?.storedName).toBe('plain_v3');
    expect(selectViews(snapshotOf([third], false)).selected[0]?.storedName).toBe('plain');
    expect(selectViews(snapshotOf([plain], true)).selected[0]?.storedName).toBe('plain');
  });

  test('can be chosen for one view', () => {
    const chosen = selectViews(snapshotOf([third], true), ['plain'], 'v0').selected[0];
    expect(chosen).toMatchObject({ storedName: 'plain', view: { versionNumber: 0 } });
  });

  test.each([
    [['plain', 'stream'], 'v1', 'needs exactly one feature view'],
    [['plain'], 'latest', 'needs exactly one feature view'],
    [['plain'], 'v7', 'plain@v7 does not exist'],
  ])('%j %s is refused', (names, version, message) => {
    expect(() => selectViews(snapshotOf([third, stream], true), names, version)).toThrow(message);
  });

  test('need the registry to keep them', () => {
    expect(() => selectViews(snapshotOf([third], false), ['plain'], 'v3')).toThrow(
      'enable_online_feature_view_versioning',
    );
  });
});
