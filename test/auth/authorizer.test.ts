import { describe, expect, test } from 'vitest';
import type { AccessRequest, Caller, GuardedObject } from '../../src/call/access.ts';
import type { AuditRecord } from '../../src/auth/audit-record.ts';
import { createAuthorizer, type AuthorizerOptions } from '../../src/auth/authorizer.ts';
import { problemsOfPermission } from '../../src/auth/compiled-permission.ts';
import type {
  PermissionAction,
  PermissionDefinition,
  PermissionObjectType,
  RegistrySnapshot,
} from '../../src/registry/registry-model.ts';
import { snapshotOf } from '../retrieval/registry-fixture.ts';
import { askingCall } from '../support/asking-call.ts';

const ADA: Caller = {
  name: 'ada',
  roles: ['reader'],
  groups: ['growth'],
  namespaces: ['ml'],
  isServer: false,
  validUntilMs: Infinity,
};

function permission(more: Partial<PermissionDefinition> = {}): PermissionDefinition {
  return {
    name: 'p',
    objectTypes: new Set<PermissionObjectType>(['FEATURE_VIEW']),
    namePatterns: [],
    requiredTags: {},
    actions: new Set<PermissionAction>(['READ_ONLINE']),
    policy: { kind: 'roles', roles: ['reader'] },
    ...more,
  };
}

const KINDS = [
  'feature_view',
  'batch_feature_view',
  'stream_feature_view',
  'on_demand_feature_view',
  'label_view',
  'feature_service',
] as const;
type Kind = (typeof KINDS)[number];

function objectOf(kind: Kind, name = 'driver_stats', tags = {}): GuardedObject {
  const isBatchView = kind === 'batch_feature_view';
  const { views, featureServices } = snapshotOf({
    entities: { e: ['id', 4] },
    views: [
      {
        name,
        entities: ['e'],
        features: { f: 4 },
        kind: kind === 'feature_service' || isBatchView ? 'feature_view' : kind,
      },
    ],
    services: [{ name, projections: [] }],
  });
  return kind === 'feature_service'
    ? { ...featureServices.get(name)!, tags }
    : { ...views.get(name)!, tags, isBatchView };
}

function snapshotWith(permissions: readonly PermissionDefinition[]): RegistrySnapshot {
  return { ...snapshotOf({ entities: {}, views: [] }), permissions };
}

/** Decides over objects, and what was written down. */
function judge(
  permissions: readonly PermissionDefinition[],
  objects: readonly GuardedObject[],
  {
    caller = ADA,
    action = 'READ_ONLINE',
    ...options
  }: Partial<AuthorizerOptions> & { caller?: Caller | undefined; action?: PermissionAction } = {},
): string {
  const authorize = createAuthorizer({
    requiredTags: 'ignore',
    withoutPermissions: 'allow',
    audit: () => {},
    ...options,
  });
  try {
    authorize(askingCall(caller), { action, objects, snapshot: snapshotWith(permissions) });
    return 'granted';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('a permission', () => {
  test.each<[PermissionObjectType, readonly Kind[]]>([
    ['FEATURE_VIEW', ['feature_view', 'batch_feature_view', 'stream_feature_view']],
    ['BATCH_FEATURE_VIEW', ['batch_feature_view']],
    ['STREAM_FEATURE_VIEW', ['stream_feature_view']],
    ['ON_DEMAND_FEATURE_VIEW', ['on_demand_feature_view']],
    ['LABEL_VIEW', ['label_view']],
    ['FEATURE_SERVICE', ['feature_service']],
  ])('about %s is about %j', (type, kinds) => {
    const about = KINDS.filter(
      (kind) =>
        judge([permission({ objectTypes: new Set([type]) })], [objectOf(kind)]) === 'granted',
    );
    expect(about).toEqual(kinds);
  });

  const ACTIONS: readonly PermissionAction[] = [
    'CREATE',
    'DESCRIBE',
    'UPDATE',
    'DELETE',
    'READ_ONLINE',
    'READ_OFFLINE',
    'WRITE_ONLINE',
    'WRITE_OFFLINE',
  ];
  test.each(ACTIONS)('that grants %s grants nothing else', (granted) => {
    const only = [permission({ actions: new Set([granted]) })];
    for (const action of ACTIONS) {
      expect(judge(only, [objectOf('feature_view')], { action })).toBe(
        action === granted ? 'granted' : 'PERMISSION_DENIED',
      );
    }
  });

  test.each([
    [[], 'granted'],
    [['driver_stats'], 'granted'],
    [['x', 'driver_.*'], 'granted'],
    [['driver'], 'PERMISSION_DENIED'],
    [['stats'], 'PERMISSION_DENIED'],
    [['(?x) driver_stats'], 'PERMISSION_DENIED'],
  ])('with the name patterns %j: %s', (namePatterns, outcome) => {
    expect(judge([permission({ namePatterns })], [objectOf('feature_view')])).toBe(outcome);
  });

  test.each([
    ['ignore', { team: 'growth' }, 'granted'],
    ['match', {}, 'granted'],
    ['match', { team: 'growth' }, 'granted'],
    ['match', { team: 'risk' }, 'PERMISSION_DENIED'],
    ['match', { team: 'growth', tier: '1' }, 'PERMISSION_DENIED'],
    ['match', { constructor: 'x' }, 'PERMISSION_DENIED'],
  ] as const)('whose tags we %s, requiring %j: %s', (requiredTags, tags, outcome) => {
    const object = objectOf('feature_view', 'driver_stats', { team: 'growth' });
    expect(judge([permission({ requiredTags: tags })], [object], { requiredTags })).toBe(outcome);
  });

  const none = { groups: [], namespaces: [] };
  test.each<[PermissionDefinition['policy'], string]>([
    [{ kind: 'everybody' }, 'granted'],
    [{ kind: 'roles', roles: ['writer', 'reader'] }, 'granted'],
    [{ kind: 'roles', roles: ['writer'] }, 'PERMISSION_DENIED'],
    [{ kind: 'roles', roles: [] }, 'PERMISSION_DENIED'],
    // A group of that name is not the role.
    [{ kind: 'roles', roles: ['growth', 'ml'] }, 'PERMISSION_DENIED'],
    [{ kind: 'groups_or_namespaces', ...none, groups: ['growth'] }, 'granted'],
    [{ kind: 'groups_or_namespaces', ...none, groups: ['reader', 'ml'] }, 'PERMISSION_DENIED'],
    [{ kind: 'groups_or_namespaces', ...none, namespaces: ['ml'] }, 'granted'],
    [{ kind: 'groups_or_namespaces', groups: ['risk'], namespaces: ['ml'] }, 'granted'],
    [{ kind: 'groups_or_namespaces', groups: ['growth'], namespaces: ['x'] }, 'granted'],
    [{ kind: 'groups_or_namespaces', groups: ['risk'], namespaces: ['x'] }, 'PERMISSION_DENIED'],
    [{ kind: 'groups_or_namespaces', ...none }, 'PERMISSION_DENIED'],
    [{ kind: 'unknown' }, 'PERMISSION_DENIED'],
  ])('with the policy %j: %s', (policy, outcome) => {
    expect(judge([permission({ policy })], [objectOf('feature_view')])).toBe(outcome);
  });

  test('that cannot be enforced as it reads is told', () => {
    const odd = permission({
      namePatterns: ['a', '(?x) a'],
      requiredTags: { team: 'growth' },
      policy: { kind: 'unknown' },
    });
    expect(problemsOfPermission(odd, 'ignore')).toHaveLength(3);
    expect(problemsOfPermission(odd, 'match')).toHaveLength(2);
    expect(problemsOfPermission(permission(), 'ignore')).toEqual([]);
  });
});

describe('several permissions', () => {
  const own = permission({ name: 'own', namePatterns: ['driver_.*'] });
  const others = permission({ name: 'others', policy: { kind: 'roles', roles: ['writer'] } });

  test('of which one lets a caller in let it in', () => {
    expect(judge([others, own], [objectOf('feature_view')])).toBe('granted');
    expect(judge([own, others], [objectOf('feature_view')])).toBe('granted');
  });

  test('have to grant every object that is asked for', () => {
    const objects = [objectOf('feature_view', 'driver_a'), objectOf('feature_view', 'secrets')];
    expect(judge([own, others], objects)).toBe('PERMISSION_DENIED');
    expect(judge([own, others], objects.slice(0, 1))).toBe('granted');
  });

  test('none: everything or nothing, as set', () => {
    const objects = [objectOf('feature_view')];
    expect(judge([], objects)).toBe('granted');
    expect(judge([], objects, { withoutPermissions: 'deny' })).toBe('PERMISSION_DENIED');
  });
});

describe('a caller', () => {
  const objects = [objectOf('feature_view')];
  const server = { ...ADA, roles: [], groups: [], namespaces: [], isServer: true };

  test('whom nobody has identified is refused, whatever there is', () => {
    for (const permissions of [[], [permission({ policy: { kind: 'everybody' } })]]) {
      const authorize = createAuthorizer({
        requiredTags: 'ignore',
        withoutPermissions: 'allow',
        audit: () => {},
      });
      const snapshot = snapshotWith(permissions);
      expect(() =>
        authorize(askingCall(undefined), { action: 'READ_ONLINE', objects, snapshot }),
      ).toThrow(expect.objectContaining({ code: 'PERMISSION_DENIED' }));
    }
  });

  test('that is a server of the deployment may do everything', () => {
    const denying = [permission({ policy: { kind: 'unknown' } })];
    expect(judge(denying, objects, { caller: server, action: 'WRITE_ONLINE' })).toBe('granted');
  });

  test('whose proof has ended is refused, also where it was let in before', () => {
    const caller = { ...ADA, validUntilMs: Date.now() + 60_000 };
    const records: AuditRecord[] = [];
    const authorize = createAuthorizer({
      requiredTags: 'ignore',
      withoutPermissions: 'allow',
      audit: (record) => records.push(record),
    });
    const request: AccessRequest = {
      action: 'READ_ONLINE',
      objects,
      snapshot: snapshotWith([permission()]),
    };
    authorize(askingCall(caller), request);
    caller.validUntilMs = Date.now();
    expect(() => authorize(askingCall(caller), request)).toThrow(
      expect.objectContaining({ code: 'UNAUTHENTICATED' }),
    );
  });
});

describe('a decision', () => {
  const objects = [objectOf('feature_view')];

  test('is written down when it is taken, and taken again for another registry', () => {
    const records: AuditRecord[] = [];
    const authorize = createAuthorizer({
      requiredTags: 'ignore',
      withoutPermissions: 'allow',
      audit: (record) => records.push(record),
    });
    const granting = snapshotWith([permission({ name: 'readers' })]);
    const denying = snapshotWith([permission({ name: 'nobody', policy: { kind: 'unknown' } })]);
    const ask = (snapshot: RegistrySnapshot) => (): void =>
      authorize(askingCall(ADA), { action: 'READ_ONLINE', objects, snapshot });
    ask(granting)();
    ask(granting)();
    expect(records).toMatchObject([
      { decision: 'granted', objects: ['driver_stats'], permissions: ['readers'], caller: 'ada' },
    ]);
    expect(ask(denying)).toThrow('ada may not READ_ONLINE feature view driver_stats');
    expect(ask(denying)).toThrow('none of those whom nobody admits');
    ask(granting)();
    expect(records.map(({ decision }) => decision)).toEqual([
      'granted',
      'denied',
      'denied',
      'granted',
    ]);
  });

  test('for one action says nothing of another, nor one caller of another', () => {
    const authorize = createAuthorizer({
      requiredTags: 'ignore',
      withoutPermissions: 'allow',
      audit: () => {},
    });
    const snapshot = snapshotWith([permission()]);
    authorize(askingCall(ADA), { action: 'READ_ONLINE', objects, snapshot });
    const denied = expect.objectContaining({ code: 'PERMISSION_DENIED' });
    expect(() => authorize(askingCall(ADA), { action: 'WRITE_ONLINE', objects, snapshot })).toThrow(
      denied,
    );
    const eve = { ...ADA, name: 'eve', roles: [] };
    expect(() => authorize(askingCall(eve), { action: 'READ_ONLINE', objects, snapshot })).toThrow(
      denied,
    );
  });
});
